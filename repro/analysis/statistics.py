"""How sure a measured accuracy is."""

from __future__ import annotations

from repro.exceptions import InvalidRun


def wilson_interval(correct: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of the fraction `correct / n` (Wilson 1927): right at 0 and at 1 too.

    Raises:
        InvalidRun: `n` is 0.
    """
    from scipy.stats import binomtest

    if n == 0:
        raise InvalidRun("no interval: no image was scored")
    interval = binomtest(correct, n).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)
