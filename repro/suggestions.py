"""What a misspelt name may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable


def suggest(
    name: str,
    known: Iterable[str],
    *,
    most: int = 1,
    cutoff: float = 0.6,
    told: Callable[[str], str] = str,
    otherwise: str | None = None,
) -> str:
    """`did you mean pooling or pool?`, the nearest first, at most `most` of them.

    Where nothing is near, `otherwise`, or, where that is not given, all that is known: `there are pooling,
    identity`. `told` is how one that is known is written.
    """
    choices = list(known)
    near = difflib.get_close_matches(name, choices, n=most, cutoff=cutoff)
    if near:
        return f"did you mean {' or '.join(map(told, near))}?"
    return f"there are {', '.join(map(told, choices))}" if otherwise is None else otherwise


def suggest_of_all(name: str, known: Iterable[str]) -> str:
    """`did you mean pooling? there are pooling, identity`."""
    choices = list(known)
    return f"{suggest(name, choices, otherwise='')} there are {', '.join(choices)}".lstrip()
