"""The published test sets beside ImageNet val: read from test_sets.toml."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from repro.catalogue.classes import index_by_wnid
from repro.exceptions import UsageError
from repro.specs import N_CLASSES
from repro.suggestions import suggest


@dataclass(frozen=True, slots=True)
class TestSet:
    """A test set; what the fields mean stands above its entries in test_sets.toml.

    `classes` are indices, ascending; empty: all 1000.
    """

    name: str
    short: str
    title: str
    paper: str
    n_images: int
    per_class: int = 0
    classes: tuple[int, ...] = ()
    numbered: bool = False
    folder_name: str = ""
    published: str = ""
    unclear: str = ""
    relabels: str = ""

    @property
    def n_classes(self) -> int:
        """How many classes it has, which are those the arg-max is taken over."""
        return len(self.classes) or N_CLASSES

    def is_named(self, folder: str) -> bool:
        """Whether the name of a folder or an archive says that it is this set, of those of its shape."""
        return bool(self.folder_name) and re.search(self.folder_name, folder) is not None


@cache
def load_test_sets() -> tuple[TestSet, ...]:
    """Every test set, in the file's order."""
    text = files("repro.catalogue").joinpath("test_sets.toml").read_text(encoding="utf-8")
    return tuple(_test_set(entry) for entry in tomllib.loads(text)["test_set"])


def find_test_set(name: str) -> TestSet:
    """The set of images called `name`.

    Raises:
        UsageError: there is none; the message lists them.
    """
    by_name = {test_set.name: test_set for test_set in load_test_sets()}
    found = by_name.get(name)
    if found and found.relabels:
        raise UsageError(
            f"{name} has no images of its own: it labels those of {found.relabels} anew",
            hint="repro compare-table --table test-sets shows it from the runs on ImageNet val",
        )
    if found is None:
        names = [test_set.name for test_set in load_test_sets() if not test_set.relabels]
        raise UsageError(f"unknown test set {name!r}; {suggest(name, names)}")
    return found


def _test_set(entry: Mapping[str, Any]) -> TestSet:
    values = dict(entry)
    index = index_by_wnid()
    return TestSet(
        n_images=values.pop("images"),
        classes=tuple(sorted(index[wnid] for wnid in values.pop("classes", ()))),
        **values,
    )
