"""How sure a measured accuracy is, and a difference of two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING

from repro.exceptions import InvalidRun

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


SIGNIFICANT = 0.05
"""A corrected p below this is a difference shown."""


def wilson_interval(correct: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of the fraction `correct / n` (Wilson 1927): right at 0 and at 1 too.

    As Newcombe writes it (Statistics in Medicine 17, 1998, method 3), and scipy.stats computes it; the
    import of scipy alone takes half a second.

    Raises:
        InvalidRun: `n` is 0.
    """
    if n == 0:
        raise InvalidRun("no interval: no image was scored")
    share = correct / n
    z = NormalDist().inv_cdf(0.5 + 0.5 * confidence)
    divisor = 2 * (n + z**2)
    centre = (2 * n * share + z**2) / divisor
    reach = z / divisor * sqrt(4 * n * share * (1 - share) + z**2)
    return (centre - reach if correct else 0.0, centre + reach if correct < n else 1.0)


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Accuracy of a minus accuracy of b on the same images, its 95 % interval, McNemar's exact p."""

    difference: float
    low: float
    high: float
    p: float

    @property
    def interval(self) -> tuple[float, float]:
        return self.low, self.high


def paired_difference(n_only_a: int, n_only_b: int, n: int) -> PairedDifference:
    """How two accuracies on the same `n` images differ, from the images that only one of them has right.

    The interval is Wald's with half an image added to each of the four cells of the table (Agresti and Min,
    Statistics in Medicine 24, 2005, section 3): right for few discordant images, and never empty.

    Raises:
        InvalidRun: `n` is 0.
    """
    return paired_differences([n_only_a], [n_only_b], [n])[0]


def paired_differences(
    n_only_a: Sequence[int], n_only_b: Sequence[int], n: Sequence[int]
) -> list[PairedDifference]:
    """`paired_difference` of many at once, which 50 runs compared with each other are tens of thousands of.

    Raises:
        InvalidRun: one `n` is 0.
    """
    import numpy as np
    from scipy.special import bdtr

    only_a, only_b, images = (np.array(counts, dtype=np.int64) for counts in (n_only_a, n_only_b, n))
    if not images.all():
        raise InvalidRun("no difference: no image was scored by both")
    discordant, more = only_a + only_b, only_a - only_b
    centre = more / (images + 2)
    reach = NormalDist().inv_cdf(0.975) * np.sqrt(discordant + 1 - more**2 / (images + 2)) / (images + 2)
    columns = (
        more / images,
        np.maximum(centre - reach, -1.0),
        np.minimum(centre + reach, 1.0),
        # As scipy.stats.binomtest finds it by a search, which is most of the time of 50 runs compared.
        np.minimum(2 * bdtr(np.minimum(only_a, only_b), discordant, 0.5), 1.0),
    )
    return [PairedDifference(*one) for one in zip(*(column.tolist() for column in columns), strict=True)]


def exact_intervals(
    n_only_a: Sequence[int], n_only_b: Sequence[int], n: Sequence[int], confidence: float = 0.95
) -> list[tuple[float, float]]:
    """Of each paired difference the interval that never errs too often, however few images are discordant.

    Clopper and Pearson's limits (Biometrika 26, 1934) of how often only one is right, for each of the two
    half of the error that is allowed; wider than `paired_difference`'s.
    """
    import numpy as np
    from scipy.special import betaincinv

    only_a, only_b, images = (np.array(counts, dtype=np.int64) for counts in (n_only_a, n_only_b, n))
    tail = (1 - confidence) / 4

    def limits(of: NDArray[np.int64]) -> tuple[Floats, Floats]:
        rest = images - of
        low = betaincinv(np.maximum(of, 1), rest + 1, tail)
        high = betaincinv(of + 1, np.maximum(rest, 1), 1 - tail)
        return np.where(of > 0, low, 0.0), np.where(rest > 0, high, 1.0)

    (low_a, high_a), (low_b, high_b) = limits(only_a), limits(only_b)
    return list(zip((low_a - high_b).tolist(), (high_a - low_b).tolist(), strict=True))


def benjamini_hochberg(p_values: Floats, n_tests: int) -> Floats:
    """The p values corrected by their false discovery rate (Benjamini and Hochberg, JRSS B 57, 1995).

    Of `n_tests` those that are not listed have p = 1; scipy.stats would want them all, a million for pairs.
    """
    import numpy as np

    order = np.argsort(p_values)
    n_tests = max(n_tests, len(order))
    scaled = p_values[order] * (n_tests / np.arange(1, len(order) + 1))
    corrected = np.empty(len(order))
    corrected[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return corrected


def holm(p_values: Sequence[float]) -> list[float]:
    """The p values corrected for their number (Holm, Scandinavian Journal of Statistics 6, 1979)."""
    import numpy as np

    order = np.argsort(p_values, kind="stable")
    steps = np.asarray(p_values)[order] * np.arange(len(order), 0, -1)
    corrected = np.empty(len(order))
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0) if len(order) else steps
    return [float(p) for p in corrected]
