"""A pair of classes as it is typed: `water bottle,lipstick`."""

from __future__ import annotations

from repro.catalogue.class_lookup import find_class
from repro.exceptions import UsageError


def find_pair(text: str) -> tuple[int, int]:
    """The classes TRUE,PREDICTED, each by its number, its wnid or any of its names.

    Raises:
        UsageError: it is not of that form, or a name is unknown or that of several classes.
    """
    true, comma, predicted = text.partition(",")
    if not comma:
        raise UsageError(
            f"--pair {text!r} is not of the form TRUE,PREDICTED", hint='--pair "water bottle,lipstick"'
        )
    return find_class(true).index, find_class(predicted).index
