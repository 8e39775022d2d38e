"""Whether images evaluated in a random order decide a question already, and what they leave open."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from repro.analysis.sequential import Region, Side, Stop, decide, sum_interval
from repro.analysis.verdict import gap_to_printed
from repro.catalogue.questions import Question
from repro.exceptions import UsageError

Rights = Mapping[str, NDArray[np.bool_]]
"""By model, for the images in their order, whether its best class is the true one."""


class Decision(StrEnum):
    HOLDS = "holds"
    REFUTED = "refuted"


@dataclass(frozen=True, slots=True)
class PairFinding:
    """What is known of one model beside another when a question is decided.

    `side` is None where this pair is still open. `low` and `high` bound the difference, subject minus
    reference, over all images; fractions.
    """

    subject: str
    reference: str
    alpha: float
    side: Side | None
    n_used: int
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Verification:
    """A question's decision after the first `n_used` of `n` images of its order."""

    decision: Decision
    n_used: int
    n: int
    pairs: tuple[PairFinding, ...]


def region_of(question: Question, n: int) -> Region:
    """The sums that stand between the answers: 0, or with `within` those near the stated difference.

    Raises:
        UsageError: no difference that `n` images can show is near enough to the stated one.
    """
    if question.stated is None or question.within is None:
        return Region(0, 0)
    low, high = (n * (question.stated + end) / 100 for end in (-question.within, question.within))
    region = Region(math.ceil(low), math.floor(high))
    if region.low > region.high:
        raise UsageError(
            f"no difference that {n:,} images can show is within {question.within:f} points of "
            f"{question.stated:f}; one image is {100 / n:.2f} points",
            hint=f"--within {math.ceil(1000 / n) / 10:g}",
        )
    return region


def verify(question: Question, rights: Rights, n: int, alpha: float) -> Verification | None:
    """The decision by the first of the images that settle it; None while nothing is settled.

    The pairs of an ordering share `alpha`. It holds once all of them do, and is refuted by the first.
    """
    share = alpha / len(question.pairs)
    wanted = Side.ABOVE if question.within is None else Side.INSIDE
    region = region_of(question, n)
    values = [_values(rights, *pair) for pair in question.pairs]
    stops = [decide(x, n, region, share) for x in values]
    against = [stop.n_used for stop in stops if stop and stop.side is not wanted]
    if against:
        decision, n_used = Decision.REFUTED, min(against)
    elif all(stops):
        decision, n_used = Decision.HOLDS, max(stop.n_used for stop in stops if stop)
    else:
        return None
    pairs = (
        _finding(pair, x[:n_used], n, share, stop)
        for pair, x, stop in zip(question.pairs, values, stops, strict=True)
    )
    return Verification(decision, n_used, n, tuple(pairs))


def difference_interval(rights: Rights, pair: tuple[str, str], n: int, alpha: float) -> tuple[float, float]:
    """The differences over all `n` images that those seen leave open, as fractions."""
    low, high = sum_interval(_values(rights, *pair), n, alpha)
    return low / n, high / n


def excludes(finding: PairFinding, stated_points: Decimal) -> bool:
    """Whether even the nearest difference that is left is not the stated one, as its digits are printed."""
    # Rounded, so that 225 of 50,000 images are 0.45 points and no hair less.
    low, high = (round(Decimal(100 * end), 9) for end in (finding.low, finding.high))
    return gap_to_printed(low, stated_points) > 0 or gap_to_printed(high, stated_points) < 0


def _values(rights: Rights, subject: str, reference: str) -> NDArray[np.int64]:
    return rights[subject].astype(np.int64) - rights[reference]


def _finding(
    pair: tuple[str, str], x: NDArray[np.int64], n: int, alpha: float, stop: Stop | None
) -> PairFinding:
    low, high = sum_interval(x, n, alpha)
    settled = stop if stop and stop.n_used <= len(x) else None
    return PairFinding(
        *pair,
        alpha=alpha,
        side=settled.side if settled else None,
        n_used=settled.n_used if settled else len(x),
        low=low / n,
        high=high / n,
    )
