"""When the images seen so far settle a claim about all of them: an always-valid confidence sequence.

Images are drawn in random order, without replacement, from `n`. Each has a value in {-1, 0, 1} (one model
right, the other wrong), and a claim speaks of the sum over all `n`. Against "the sum is at most T" one
bets on every next value: were it so, the value's mean would be at most (T - S) / (images left), with S the
sum so far, so the capital could not grow on average, and reaches 2 / alpha with probability alpha / 2 at
most, whenever one looks (Ville 1939). A sum is excluded once either side's capital has been there.

Waudby-Smith and Ramdas, Confidence sequences for sampling without replacement, NeurIPS 2020; the same,
Estimating means of bounded random variables by betting, JRSS-B 86 (2024), sections 4 and 5. The bets here
are fixed stakes with a share of the capital each, as their mixtures: the best stake is not known before.

The error probability is that of a decision: over all orders of these `n` images, at most alpha of them
decide wrongly at any time, whatever is true. It is not the probability that a claim is true, and it says
nothing of other images. The order must be chosen before its images are looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.int64]
"""`(..., t)`: the first `t` values of one order or of several, each -1, 0 or 1."""

STAKES = tuple(0.48 / 2**i for i in range(7))
"""Below a half no capital can be lost whole; the smallest is the best one for a tenth of a point."""

BLOCK = 2048
HUGE = 1e200
"""A capital is never counted higher at the end of a block, and one below its inverse is given up."""


class Side(StrEnum):
    """Where the sum was found to lie: beyond a region's ends, or within them."""

    ABOVE = "above"
    BELOW = "below"
    INSIDE = "inside"


@dataclass(frozen=True, slots=True)
class Region:
    """Sums from `low` to `high`, both included; the sum 0 alone stands between the two directions."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Stop:
    """The first moment at which a side was certain enough, in images seen."""

    side: Side
    n_used: int


def capital(x: Values, n: int, total: int) -> NDArray[np.float64]:
    """What one has after each value of `x` who began with 1 and bets that all `n` sum to more than `total`.

    Infinite once that is certain, even were all the rest -1.
    """
    seen = np.cumsum(x, axis=-1)
    left = n - np.arange(x.shape[-1])
    surplus = x - np.clip((total - (seen - x)) / left, -1, 1)
    grown = np.zeros(x.shape)
    for stake in STAKES:
        grown += _product(1 + stake * surplus)
    return np.where(seen - (left - 1) > total, np.inf, grown / len(STAKES))


def first_times(x: Values, n: int, region: Region, alpha: float) -> dict[Side, NDArray[np.int64]]:
    """By side the number of values after which it was certain enough, `t + 1` where it never was."""
    reaches_low = _first(x, n, region.low - 1, alpha)
    reaches_high = _first(-x, n, -region.high - 1, alpha)
    return {
        Side.ABOVE: _first(x, n, region.high, alpha),
        Side.BELOW: _first(-x, n, -region.low, alpha),
        Side.INSIDE: np.maximum(reaches_low, reaches_high),
    }


def decide(x: Values, n: int, region: Region, alpha: float) -> Stop | None:
    """Where the sum lies, by the first of one order's values that settle it; None while none does."""
    times = {side: int(time) for side, time in first_times(x, n, region, alpha).items()}
    side = min(times, key=lambda side: times[side])
    return Stop(side, times[side]) if times[side] <= len(x) else None


def sum_interval(x: Values, n: int, alpha: float) -> tuple[int, int]:
    """The least and the greatest sum over all `n` that one order's values have not excluded so far."""
    return _least(x, n, alpha), -_least(-x, n, alpha)


def _product(factors: NDArray[np.float64]) -> NDArray[np.float64]:
    """The running product, in blocks: a product that is next to nothing becomes 0, or it would be slow."""
    product = np.empty_like(factors)
    held = np.ones((*factors.shape[:-1], 1))
    with np.errstate(over="ignore", under="ignore"):
        for start in range(0, factors.shape[-1], BLOCK):
            part = product[..., start : start + BLOCK]
            part[...] = factors[..., start : start + BLOCK]
            part[..., :1] *= held
            np.cumprod(part, axis=-1, out=part)
            held = np.where(part[..., -1:] < 1 / HUGE, 0, np.minimum(part[..., -1:], HUGE))
    return product


def _first(x: Values, n: int, total: int, alpha: float) -> NDArray[np.int64]:
    won = capital(x, n, total) >= 2 / alpha
    first: NDArray[np.int64] = np.where(won.any(axis=-1), won.argmax(axis=-1), x.shape[-1]) + 1
    return first


def _least(x: Values, n: int, alpha: float) -> int:
    """By bisection: the capital falls as `total` grows, for the stakes do not depend on it."""
    excluded, possible = -n - 1, int(x.sum()) + n - len(x)
    while possible - excluded > 1:
        middle = (excluded + possible) // 2
        if _first(x, n, middle, alpha) <= len(x):
            excluded = middle
        else:
            possible = middle
    return possible
