"""The 1000 ImageNet classes in their one true order: index, WordNet id (wnid), unique name."""

from __future__ import annotations

import csv
import difflib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from repro.exceptions import UsageError


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
    text = files("repro.catalogue").joinpath("classes.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return tuple(
        ImageNetClass(i, row["wnid"], row["name"], int(row["devkit_id"])) for i, row in enumerate(rows)
    )


@cache
def index_by_wnid() -> dict[str, int]:
    """`{"n04557648": 898, …}`"""
    return {c.wnid: c.index for c in load_classes()}


def class_name(index: int) -> str:
    """`class_name(898)` is `water bottle`."""
    return load_classes()[index].name


def find_class(text: str) -> ImageNetClass:
    """The class of this name, wnid or index.

    Raises:
        UsageError: there is none; the nearest names are in the message.
    """
    key = text.strip()
    by_name = {c.name.lower(): c for c in load_classes()}
    if key.lower() in by_name:
        return by_name[key.lower()]
    index = index_by_wnid().get(key, int(key) if key.isdecimal() else -1)
    if 0 <= index < len(load_classes()):
        return load_classes()[index]
    near = [by_name[name].name for name in difflib.get_close_matches(key.lower(), by_name)]
    suggestion = f"did you mean {' or '.join(near)}?" if near else "a class has a name, a wnid or an index"
    raise UsageError(f"unknown class {text!r}; {suggestion}")
