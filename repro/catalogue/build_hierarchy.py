"""Writes hierarchy.csv and glosses.csv from WordNet 3.0: `make hierarchy`, or

    python -m repro.catalogue.build_hierarchy [data.noun]

It stands beside what it writes and runs from a checkout; nothing imports it. The format of data.noun
is described in WordNet's manual page wndb(5).
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from repro.catalogue.classes import load_classes
from repro.exceptions import DataRefused, ReproError, UsageError

DATA_NOUN = Path("/usr/share/wordnet/data.noun")
"""Where Debian's package wordnet-base puts it."""

HYPERNYM = "@"
"""The pointer from a synset to what it is a kind of; instances (`@i`) have no part in ImageNet."""


@dataclass(frozen=True, slots=True)
class Synset:
    lemmas: tuple[str, ...]
    parents: tuple[str, ...]
    definition: str


def build_files(data_noun: Path) -> dict[str, str]:
    """Name and text of each file, the same bytes on every machine.

    Raises:
        UsageError: `data_noun` is not there.
        DataRefused: a class, or something above one, is not in it.
    """
    if not data_noun.is_file():
        raise UsageError(f"{data_noun} is not there", hint="apt-get install wordnet-base")
    synsets = dict(read_synsets(data_noun))
    wnids = [c.wnid for c in load_classes()]
    closure = sorted(_closure(wnids, synsets))
    return {
        "hierarchy.csv": _as_csv(
            ("wnid", "parents", "lemmas"),
            ((w, "|".join(synsets[w].parents), "|".join(synsets[w].lemmas)) for w in closure),
        ),
        "glosses.csv": _as_csv(("wnid", "gloss"), ((w, synsets[w].definition) for w in wnids)),
    }


def read_synsets(data_noun: Path) -> Iterator[tuple[str, Synset]]:
    """Every noun synset by its wnid, which is `n` and its offset in the file."""
    with data_noun.open(encoding="ascii") as lines:
        for line in lines:
            if not line.startswith("  "):  # so begin the lines of the licence
                yield _synset(line)


def _synset(line: str) -> tuple[str, Synset]:
    facts, _, gloss = line.partition(" | ")
    offset, _lexicographer, _type, n_words, *rest = facts.split(" ")
    end_of_words = 2 * int(n_words, 16)
    lemmas = tuple(word.replace("_", " ") for word in rest[:end_of_words:2])
    pointers = rest[end_of_words + 1 :]
    parents = tuple(
        f"n{target}" for kind, target in zip(pointers[::4], pointers[1::4], strict=False) if kind == HYPERNYM
    )
    return f"n{offset}", Synset(lemmas, parents, _definition(gloss))


def _definition(gloss: str) -> str:
    """The gloss without its examples, which stand in quotes at its end."""
    return gloss.partition('; "')[0].strip()


def _closure(wnids: list[str], synsets: Mapping[str, Synset]) -> set[str]:
    found: set[str] = set()
    waiting = list(wnids)
    while waiting:
        wnid = waiting.pop()
        if wnid in found:
            continue
        if wnid not in synsets:
            raise DataRefused(f"{wnid} is not in this WordNet; 3.0 has it")
        found.add(wnid)
        waiting.extend(synsets[wnid].parents)
    return found


def _as_csv(header: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def main() -> None:
    data_noun = Path(sys.argv[1]) if sys.argv[1:] else DATA_NOUN
    try:
        texts = build_files(data_noun)
    except ReproError as error:
        sys.exit(f"{error}: {error.hint}" if error.hint else str(error))
    for name, text in texts.items():
        Path(__file__).with_name(name).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
