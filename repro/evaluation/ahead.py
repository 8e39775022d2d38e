"""One begun before the other is over: a GPU computes while this process does something else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, pairwise
from typing import TypeVar

T = TypeVar("T")


def one_ahead(items: Iterable[T]) -> Iterator[T]:
    """The same items in order, each once the one after it has been made."""
    return (item for item, _ in pairwise(chain(items, (None,))))  # type: ignore[misc]
