"""One flipped bit anywhere in a run's files is found: in its rows, in its shards, in its record."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from repro.exceptions import StorageError
from repro.results.runs import read_record
from repro.results.store import read_rows
from tests.proof.histories import fast_folder
from tests.proof.toy import Quiet, StopAfterFirstShard, Stopped, Toy, cut, evaluate_toys, folder_of

TOY = Toy(n_images=64, batch_size=8, shard_images=32)


def check(n: int) -> dict[str, int]:
    """Flips `n` random bits, one at a time, a third in each kind of file; `found` are those refused."""
    chance = random.Random(20261123)
    counts = {"flips": 0, "found": 0}
    with tempfile.TemporaryDirectory(dir=fast_folder()) as folder:
        kinds = _finished_run(Path(folder) / "finished") + _begun_run(Path(folder) / "begun")
        for i in range(n):
            path, is_whole = kinds[i % len(kinds)]
            counts["flips"] += 1
            counts["found"] += _is_found(path, is_whole, chance)
    return counts


def _is_found(path: Path, is_whole: Callable[[], bool], chance: random.Random) -> bool:
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
    path.write_bytes(damaged)
    found = not is_whole()
    path.write_bytes(whole)
    assert is_whole(), f"{path} is refused although it is whole"
    return found


def _finished_run(root: Path) -> list[tuple[Path, Callable[[], bool]]]:
    """The rows, which are read with the record; and the record."""
    evaluate_toys(root, [TOY], Quiet())
    path = folder_of(root, TOY).path
    record = read_record(path / "run.json")
    return [
        (path / "predictions.parquet", lambda: _reads(lambda: read_rows(path, record))),
        (path / "run.json", lambda: _reads(lambda: read_record(path / "run.json"))),
    ]


def _begun_run(root: Path) -> list[tuple[Path, Callable[[], bool]]]:
    """A shard; a damaged one is set aside, so the sound bytes come back under their own name."""
    with suppress(Stopped):
        evaluate_toys(root, [TOY], StopAfterFirstShard())
    folder = folder_of(root, TOY)
    (path,) = folder.path.glob("shards/*.parquet")
    return [(path, lambda: folder.read_shard(0, cut(TOY)[0].image_ids) is not None)]


def _reads(read: Callable[[], object]) -> bool:
    try:
        read()
    except StorageError:
        return False
    return True
