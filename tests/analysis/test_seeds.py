"""Scatter over few seeds: unbiased, and intervals that cover where kinds scatter alike or not."""

from __future__ import annotations

from math import exp, inf, sqrt

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from scipy.special import polygamma

from repro.analysis.seeds import _prior, estimate_scatter

KINDS = [f"kind {i}" for i in range(16)]


def draw(
    random: np.random.Generator, deviations: list[float], n_seeds: int, together: float = 0.05
) -> dict[str, dict[int, float]]:
    shared = random.normal(0, together, n_seeds)
    return {
        kind: {s: float(shared[s] + random.normal(0, deviation)) for s in range(n_seeds)}
        for kind, deviation in zip(KINDS, deviations, strict=False)
    }


def covered(
    deviations: list[float], n_seeds: int, n_intervals: int = 1, n_studies: int = 300
) -> NDArray[np.bool_]:
    """Whether the interval of a difference to the last kind has the truth, 0: by study and kind."""
    random = np.random.default_rng(0)
    kinds = KINDS[: len(deviations)]
    found_in = np.zeros((n_studies, len(kinds) - 1), bool)
    for study in range(n_studies):
        found = draw(random, deviations, n_seeds)
        scatter = estimate_scatter(found)
        assert scatter
        for place, kind in enumerate(kinds[:-1]):
            centre = float(np.mean([found[kind][s] - found[kinds[-1]][s] for s in range(n_seeds)]))
            interval = scatter.of_difference(kind, kinds[-1], centre, n_seeds, n_intervals)
            assert interval
            found_in[study, place] = interval[0] <= 0 <= interval[1]
    return found_in


def test_intervals_cover_where_all_scatter_alike() -> None:
    assert 0.92 < covered([0.01] * 16, 3).mean() < 0.98


def test_intervals_cover_where_some_scatter_more() -> None:
    """Two kinds scatter three times as far: theirs are wider too, if not wide enough (80 % of them cover)."""
    found = covered([0.03, 0.03, *[0.01] * 14], 3)
    assert found[:, 2:].mean() > 0.93
    assert found[:, :2].mean() > 0.75


@pytest.mark.parametrize("shared", [0.0, 0.01, 0.05])
def test_the_interval_of_a_kinds_own_mean_counts_what_all_seeds_share(shared: float) -> None:
    """Differences are free of it; a mean of three seeds is not."""
    random = np.random.default_rng(2)
    n_covered = 0
    for _ in range(300):
        found = draw(random, [0.01] * 8, 3, shared)
        scatter = estimate_scatter(found)
        assert scatter
        interval = scatter.of_mean(KINDS[0], float(np.mean(list(found[KINDS[0]].values()))), 3)
        assert interval
        n_covered += interval[0] <= 0 <= interval[1]
    assert n_covered / 300 > 0.92


def test_many_intervals_cover_together() -> None:
    assert covered([0.01] * 16, 3).all(axis=1).mean() < 0.9
    assert covered([0.01] * 16, 3, n_intervals=15).all(axis=1).mean() > 0.93


def test_intervals_cover_where_few_kinds_were_trained() -> None:
    """Four kinds of three seeds know their scatter from six degrees of freedom, not for certain."""
    assert covered([0.01] * 4, 3, n_intervals=24, n_studies=2000).mean() > 1 - 1.5 * 0.05 / 24


def test_a_seed_that_a_few_kinds_are_ahead_with_changes_no_scatter() -> None:
    found = draw(np.random.default_rng(5), [0.01] * 16, 4)
    before = {kind: {s: by[s] for s in range(3)} for kind, by in found.items()}
    for n_ahead in (1, 3, 15):
        ahead = {kind: found[kind] if i < n_ahead else before[kind] for i, kind in enumerate(found)}
        assert estimate_scatter(ahead) == estimate_scatter(before)
    assert estimate_scatter(found) != estimate_scatter(before)


def test_what_all_seeds_share_does_not_count() -> None:
    random = np.random.default_rng(1)
    deviations = [
        value
        for _ in range(50)
        if (scatter := estimate_scatter(draw(random, [0.01] * 16, 4)))
        for value in scatter.deviations.values()
    ]
    assert sqrt(np.mean(np.square(deviations))) == pytest.approx(0.01, rel=0.06)


def test_the_prior_is_found_again() -> None:
    """Variances drawn as the theory has them: an inverse chi-square of 6 degrees of freedom around 4."""
    random = np.random.default_rng(2)
    truths = 4 * 6 / stats.chi2(6).rvs(4000, random_state=random)
    seen = truths * stats.chi2(2).rvs(4000, random_state=random) / 2
    variance, freedom = _prior(list(seen), 2)
    assert variance == pytest.approx(4, rel=0.1)
    assert freedom == pytest.approx(6, rel=0.2)


def test_equal_variances_are_pooled() -> None:
    assert _prior([2.0, 2.0, 2.0], 3)[1] == inf


@pytest.mark.parametrize("excess", [1e-9, 9e-7, 1.0000001e-6, 1.1e-6])
def test_hardly_more_different_than_by_chance_is_no_more(excess: float) -> None:
    """The variance of the logarithms of these three is the square of what they are apart."""
    apart = sqrt(polygamma(1, 1) + excess)
    variance, freedom = _prior([exp(-apart), 1.0, exp(apart)], 2)
    assert variance == pytest.approx(exp(0.5772), rel=1e-3)
    assert freedom > 1e6


def test_too_few_seeds_or_kinds_say_nothing() -> None:
    random = np.random.default_rng(3)
    found = draw(random, [0.01] * 16, 3)
    assert estimate_scatter({kind: {0: by[0], 1: by[1]} for kind, by in found.items()}) is None
    assert estimate_scatter({kind: found[kind] for kind in KINDS[:2]}) is None
    assert estimate_scatter({}) is None


def test_a_kind_that_lacks_a_seed_has_no_interval() -> None:
    found = draw(np.random.default_rng(4), [0.01] * 16, 3)
    del found[KINDS[0]][2]
    scatter = estimate_scatter(found)
    assert scatter
    assert scatter.of_mean(KINDS[0], 0.0, 2) is None
    assert scatter.of_difference(KINDS[0], KINDS[1], 0.0, 2) is None
    assert scatter.of_mean(KINDS[1], 0.0, 3)
