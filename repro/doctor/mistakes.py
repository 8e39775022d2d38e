"""The ways in which ImageNet's classes get into a wrong order: maps from a given label to the true one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from repro.catalogue.classes import load_classes
from repro.doctor.real import Ints
from repro.specs import N_CLASSES

UNKNOWN = -1
"""The true label of a given one that the mistake cannot produce."""


@dataclass(frozen=True, slots=True)
class WrongOrder:
    """A wrong order: `name` says how it came about, `true[given]` is the class meant, or UNKNOWN."""

    name: str
    true: Ints


@cache
def known_mistakes() -> tuple[WrongOrder, ...]:
    """The wrong orders that are the same for everybody who makes the mistake."""
    classes = load_classes()
    devkit = sorted(range(N_CLASSES), key=lambda i: classes[i].devkit_id)
    names = [c.name for c in classes]
    by_name, capitals_first = (
        sorted(range(N_CLASSES), key=key.__getitem__) for key in ([*map(str.casefold, names)], names)
    )
    numbers, numbers_from_1 = (sorted(range(N_CLASSES), key=lambda i: str(i + start)) for start in (0, 1))
    return (
        _wrong_order("the devkit's own order of classes", devkit),
        _wrong_order("the devkit's own order of classes, numbered from 1", [UNKNOWN, *devkit[:-1]]),
        _wrong_order("class names sorted as text", by_name),
        _wrong_order("class names sorted as text, capitals first", capitals_first),
        _wrong_order("class numbers sorted as text", numbers),
        _wrong_order("class numbers from 1 sorted as text", numbers_from_1),
        _wrong_order("the classes in reverse", range(N_CLASSES)[::-1]),
    )


def moved_from(first: int, by: int) -> WrongOrder:
    """All labels from `first` on are one too low (`by` is 1) or one too high (-1)."""
    true = np.arange(N_CLASSES)
    true[first:] += by
    true %= N_CLASSES  # some count on from 999 at 0
    name = load_classes()[first].name
    if by > 0:
        cause = f"class {first} ({name}) was missing when they were numbered"
    elif first <= 1:  # nothing is labelled 0 then
        cause = "the classes were numbered from 1"
    else:
        cause = f"a folder that is no class stood before {name}"
    which = "every label is" if first <= max(-by, 0) else f"labels from {first} on are"
    return WrongOrder(f"shifted by one: {which} one too {'low' if by > 0 else 'high'}, as if {cause}", true)


def _wrong_order(name: str, true: Sequence[int]) -> WrongOrder:
    return WrongOrder(name, np.array(true))
