"""The confidence sequence by exhaustion on small sets, and against the same written out plainly."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from math import inf

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from repro.analysis.sequential import (
    STAKES,
    Region,
    Side,
    Stop,
    Values,
    capital,
    decide,
    first_times,
    sum_interval,
)

VALUES = st.lists(st.sampled_from([-1, 0, 1]), min_size=1, max_size=60)
LOOSE = 0.5
"""An error probability at which even a few values exclude something."""


def every_order(plus: int, zero: int, minus: int) -> Values:
    """`(orders, n)`: each arrangement once; each stands for equally many permutations."""

    def arrangements(left: dict[int, int]) -> Iterator[tuple[int, ...]]:
        if not any(left.values()):
            yield ()
        for value, n in left.items():
            if n:
                for rest in arrangements({**left, value: n - 1}):
                    yield (value, *rest)

    return np.array(list(arrangements({1: plus, 0: zero, -1: minus})))


def small_populations(n: int) -> Iterator[tuple[int, int, int]]:
    return ((p, z, n - p - z) for p in range(n + 1) for z in range(n + 1 - p))


def plain_capital(x: list[int], n: int, total: int) -> list[float]:
    """As the papers write it: one gambler a stake, one bet a value."""
    gamblers, found, seen = [1.0] * len(STAKES), [], 0
    for t, value in enumerate(x):
        mean = min(max((total - seen) / (n - t), -1.0), 1.0)
        gamblers = [held * (1 + stake * (value - mean)) for held, stake in zip(gamblers, STAKES, strict=True)]
        seen += value
        lowest_sum_left = seen - (n - t - 1)
        found.append(inf if lowest_sum_left > total else sum(gamblers) / len(STAKES))
    return found


@given(VALUES, st.integers(0, 20), st.data())
def test_it_is_the_plain_one(x: list[int], unseen: int, data: st.DataObject) -> None:
    n = len(x) + unseen
    total = data.draw(st.integers(-n, n))
    np.testing.assert_allclose(capital(np.array(x), n, total), plain_capital(x, n, total), rtol=1e-9)


@given(st.lists(st.permutations([-1] * 9 + [0] * 20 + [1] * 15), min_size=1, max_size=4), st.integers(-5, 5))
def test_many_orders_are_judged_as_each_alone(orders: list[list[int]], total: int) -> None:
    x, region = np.array(orders), Region(total, total + 2)
    together = capital(x, 44, total)
    times = first_times(x, 44, region, LOOSE)
    for i, order in enumerate(x):
        np.testing.assert_array_equal(together[i], capital(order, 44, total))
        first = min(Side, key=lambda side: times[side][i])
        assert decide(order, 44, region, LOOSE) == Stop(first, times[first][i])


@pytest.mark.parametrize("n", [4, 7])
def test_at_the_true_sum_no_bet_gains_on_average(n: int) -> None:
    """A martingale: after every value the mean over all orders is 1."""
    for population in small_populations(n):
        x = every_order(*population)
        for sign in (1, -1):
            mean = capital(sign * x, n, int(sign * x[0].sum())).mean(axis=0)
            np.testing.assert_allclose(mean, 1)


@pytest.mark.parametrize("alpha", [0.7, 0.9])
def test_of_all_orders_few_ever_exclude_the_truth(alpha: float) -> None:
    n, excluding = 9, 0
    for population in small_populations(n):
        x = every_order(*population)
        total = int(x[0].sum())
        times = first_times(x, n, Region(total, total), alpha)
        wrong = (times[Side.ABOVE] <= n) | (times[Side.BELOW] <= n)
        assert wrong.mean() <= alpha, population
        excluding += wrong.sum()
    assert excluding  # else nothing was tried


@pytest.mark.parametrize("region", [Region(0, 0), Region(-2, 1), Region(3, 3)])
def test_of_all_orders_few_decide_wrongly(region: Region) -> None:
    n, early = 8, 0
    for population in small_populations(n):
        x = every_order(*population)
        total = int(x[0].sum())
        times = first_times(x, n, region, LOOSE)
        stopped = np.min(list(times.values()), axis=0)
        assert (stopped <= n).all(), "with all values seen everything is settled"
        wrong = times[side_of(total, region)] != stopped
        assert wrong.mean() <= LOOSE, population
        early += (stopped < n).sum()
    assert early


def side_of(total: int, region: Region) -> Side:
    if total > region.high:
        return Side.ABOVE
    return Side.BELOW if total < region.low else Side.INSIDE


@given(VALUES)
def test_with_all_values_the_sum_is_known(x: list[int]) -> None:
    total = sum(x)
    low, high = sum_interval(np.array(x), len(x), 1e-9)
    assert (low, high) == (total, total)
    stop = decide(np.array(x), len(x), Region(0, 0), 1e-9)
    assert stop is not None and stop.side is side_of(total, Region(0, 0))


@given(VALUES, st.integers(0, 100), st.integers(-20, 20), st.integers(0, 9))
def test_the_interval_and_the_decision_agree(x: list[int], unseen: int, low: int, width: int) -> None:
    n, region = len(x) + unseen, Region(low, low + width)
    least, greatest = sum_interval(np.array(x), n, LOOSE)
    assume(least <= greatest)  # both ends are excluded in no more than alpha of the orders
    settled = decide(np.array(x), n, region, LOOSE) is not None
    assert settled == (
        least > region.high or greatest < region.low or region.low <= least <= greatest <= region.high
    )


@settings(max_examples=30)
@given(VALUES, st.integers(0, 30))
def test_more_values_never_widen_the_interval(x: list[int], unseen: int) -> None:
    n = len(x) + unseen
    intervals = [sum_interval(np.array(x[:t]), n, LOOSE) for t in range(1, len(x) + 1)]
    for (low, high), (later_low, later_high) in pairwise(intervals):
        assert low <= later_low and later_high <= high


def test_long_orders_are_neither_lost_nor_slow_to_turn() -> None:
    """Stakes that win or lose thousands of times: neither overflow nor a product stuck near zero."""
    for x in (np.repeat([1, -1], 10_000), np.repeat([-1, 1], 10_000), np.tile([1, -1], 10_000)):
        held = capital(x, 40_000, 0)
        assert not np.isnan(held).any() and (held >= 0).all()
    assert decide(np.repeat([1, -1], 10_000), 40_000, Region(0, 0), 0.05) == Stop(Side.ABOVE, 15)
