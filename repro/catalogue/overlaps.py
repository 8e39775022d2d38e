"""Pairs of classes whose meanings overlap, so that one thing may rightly be called both (overlaps.csv).

Only pairs with a ground that can be checked are listed: the two are the same thing, or WordNet's definition
of the one, or plain knowledge of the thing, has it as a kind or a part of the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from repro.catalogue.classes import index_by_wnid
from repro.catalogue.csv_files import csv_rows

Pair = tuple[int, int]
"""Two classes, the lower index first."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """`relation` is `same`, or `contains`: the one is a kind or a part of the other, in either order."""

    relation: str
    ground: str


@cache
def load_overlaps() -> Mapping[Pair, Overlap]:
    rows = csv_rows("overlaps.csv")
    return {_pair(row["wnid_a"], row["wnid_b"]): Overlap(row["relation"], row["ground"]) for row in rows}


def _pair(wnid_a: str, wnid_b: str) -> Pair:
    low, high = sorted(index_by_wnid()[wnid] for wnid in (wnid_a, wnid_b))
    return low, high
