"""Which Parquet files make up one split: `validation-00000-of-00014.parquet` and its thirteen sisters."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from repro.datasets.entries import first_few, is_hidden
from repro.exceptions import DataRefused

_SHARD = re.compile(r"(?P<split>.+)-(?P<number>\d{5})-of-(?P<total>\d{5})(-[0-9a-f]+)?\.(?i:parquet)")
_ANY_PARQUET = "*.[Pp][Aa][Rr][Qq][Uu][Ee][Tt]"
_VALIDATION = ("validation", "val")


def find_shards(root: Path) -> list[Path]:
    """The Parquet files in a folder, or else in its `data/` or `plain_text/`, the hub's names; sorted."""
    for folder in (root, root / "data", root / "plain_text"):
        shards = sorted(path for path in folder.glob(_ANY_PARQUET) if not is_hidden(path.name))
        if shards:
            return shards
    return []


def split_of(shard: Path) -> str:
    """`validation` of `validation-00000-of-00014.parquet`, nothing of `0000.parquet`."""
    match = _SHARD.fullmatch(shard.name)
    return match["split"] if match else shard.stem.rstrip("0123456789-_")


def choose_split(shards: Iterable[Path]) -> list[Path]:
    """The shards of the validation split where there is one, or of the only split.

    Raises:
        DataRefused: several splits could be meant, a shard is missing, or the split is there twice.
    """
    by_split: dict[str, list[Path]] = defaultdict(list)
    for shard in shards:
        by_split[split_of(shard)].append(shard)
    meant = list(by_split) if len(by_split) == 1 else [name for name in _VALIDATION if name in by_split]
    if not meant:
        found = [name or first_few([shard.name for shard in by_split[name]]) for name in sorted(by_split)]
        raise DataRefused(f"no validation split among {', '.join(found)}; give the shards of one split")
    _refuse_missing_shards(by_split[meant[0]])
    return by_split[meant[0]]


def _refuse_missing_shards(shards: list[Path]) -> None:
    numbers: dict[int, set[int]] = defaultdict(set)
    seen: dict[tuple[str, str], str] = {}
    for match in filter(None, (_SHARD.fullmatch(shard.name) for shard in shards)):
        numbers[int(match["total"])].add(int(match["number"]))
        first = seen.setdefault((match["number"], match["total"]), match[0])
        if first != match[0]:
            raise DataRefused(
                f"{shards[0].parent} holds {split_of(shards[0])} more than once: {first} and {match[0]}",
                hint="move one of them away",
            )
    if len(numbers) > 1:
        told = " and ".join(f"of {total}" for total in sorted(numbers))
        raise DataRefused(
            f"{shards[0].parent} holds {split_of(shards[0])} more than once, in shards {told}",
            hint="move one of them away",
        )
    for total, present in numbers.items():
        missing = sorted(set(range(total)) - present)
        if missing:
            names = [f"{split_of(shards[0])}-{number:05d}-of-{total:05d}.parquet" for number in missing]
            raise DataRefused(f"{shards[0].parent}: {first_few(names)} missing; fetch again")
