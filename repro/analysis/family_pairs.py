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
    have `MIN_ERRORS` or more; `by_chance` of these would be in one family alone if images fell to
    one family alone in each pair as often as in all. With one family there is nothing to tell: `one_family`
    is None then.
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
    alone = None
    if len(set(token_mixers.values())) > 1:
        mixers = [_only_family(by_run, token_mixers) for by_run in frequent["by_run"]]
        alone = frequent.assign(token_mixer=mixers)
        alone = alone[alone["token_mixer"] != ""]
    by_chance = _by_chance(errors, token_mixers)
    return FamilyPairs(every_run, alone, len(pairs), len(frequent), by_chance, len(errors))


def _by_chance(errors: pd.DataFrame, token_mixers: Mapping[str, str]) -> float:
    """How many pairs of `MIN_ERRORS` or more one family alone would make, were images dealt out to pairs.

    Images, not errors, since models that resemble each other err in the same ones; a pair keeps its number
    of images, and an image those who take it so.
    """
    import numpy as np

    mixer = errors["run"].map(token_mixers)
    images = mixer.groupby([errors[name] for name in ("label", "predicted", "image_id")])
    of_image = images.agg(["size", "nunique", "first"])
    n_images = of_image.groupby(["label", "predicted"]).size().value_counts()
    expected = 0.0
    for _, sizes in of_image[of_image["nunique"] == 1].groupby("first")["size"]:
        share = np.bincount(sizes.clip(upper=MIN_ERRORS), minlength=MIN_ERRORS + 1) / len(of_image)
        for n, n_pairs in zip(n_images.index.tolist(), n_images.tolist(), strict=True):
            too_few = np.ones(1)  # the distribution of the errors in n images, below MIN_ERRORS
            for _ in range(min(n, MIN_ERRORS)):
                too_few = np.convolve(too_few, share)[:MIN_ERRORS]
            expected += n_pairs * (share.sum() ** n - too_few.sum())
    return float(expected)


def _only_family(by_run: Mapping[str, int], token_mixers: Mapping[str, str]) -> str:
    """The one token mixer of the runs that make a pair; empty where they are several."""
    mixers = {token_mixers[run] for run in by_run}
    return next(iter(mixers)) if len(mixers) == 1 else ""
