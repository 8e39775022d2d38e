"""The 1000 ImageNet classes in their one true order: index, WordNet id (wnid), unique name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from repro.catalogue.csv_files import csv_rows


@dataclass(frozen=True, slots=True)
class ImageNetClass:
    """A class; `index` is what models output, `name` is unique (unlike WordNet's first lemma).

    `devkit_id` is its number, from 1, in ImageNet's devkit, which has an order of its own.
    """

    index: int
    wnid: str
    name: str
    devkit_id: int


@cache
def load_classes() -> tuple[ImageNetClass, ...]:
    """All 1000 classes, by index."""
    rows = csv_rows("classes.csv")
    return tuple(
        ImageNetClass(i, row["wnid"], row["name"], int(row["devkit_id"])) for i, row in enumerate(rows)
    )


@cache
def index_by_wnid() -> dict[str, int]:
    """`{"n04557648": 898, …}`"""
    return {c.wnid: c.index for c in load_classes()}


def is_wnid(text: str) -> bool:
    """Whether it looks like a WordNet id (`n01440764`), one of the 1000 or not."""
    return re.fullmatch(r"n[0-9]{8}", text) is not None


def class_name(index: int) -> str:
    """`class_name(898)` is `water bottle`."""
    return load_classes()[index].name
