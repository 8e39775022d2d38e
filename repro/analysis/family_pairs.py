"""Which confusions all models make, and which only models with one token mixer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

MIN_ERRORS = 5
"""A pair with fewer is in one family alone too easily."""


@dataclass(frozen=True)
class FamilyPairs:
    """Of ranked pairs (`rank_pairs`), those of every run, and those of one family's runs alone.

    `one_family` has a column `token_mixer`; both list the most frequent first. Of `n_pairs`, `n_frequent`
    have `MIN_ERRORS` or more; `by_chance` of these would be in one family alone if each of their errors
    fell to a family as all errors do. With one family there is nothing to tell: `one_family` is None then.
    """

    every_run: pd.DataFrame
    one_family: pd.DataFrame | None
    n_pairs: int
    n_frequent: int
    by_chance: float
    n_errors: int


def sort_pairs(pairs: pd.DataFrame, errors: pd.DataFrame, token_mixers: Mapping[str, str]) -> FamilyPairs:
    """Sorts the ranked `pairs` of genuine `errors` by who makes them."""
    every_run = pairs[pairs["n_runs"] == len(token_mixers)]
    frequent = pairs[pairs["count"] >= MIN_ERRORS]
    n_of_run = errors["run"].value_counts()
    shares = n_of_run.groupby(n_of_run.index.map(token_mixers)).sum() / len(errors)
    alone = None
    if len(set(token_mixers.values())) > 1:
        mixers = [_only_family(by_run, token_mixers) for by_run in frequent["by_run"]]
        alone = frequent.assign(token_mixer=mixers)
        alone = alone[alone["token_mixer"] != ""]
    by_chance = sum(share ** int(n) for n in frequent["count"] for share in shares)
    return FamilyPairs(every_run, alone, len(pairs), len(frequent), float(by_chance), len(errors))


def _only_family(by_run: Mapping[str, int], token_mixers: Mapping[str, str]) -> str:
    """The one token mixer of the runs that make a pair; empty where they are several."""
    mixers = {token_mixers[run] for run in by_run}
    return next(iter(mixers)) if len(mixers) == 1 else ""
