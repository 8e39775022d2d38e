"""What a few trainings of each of several kinds say, seed by seed: scatter, and intervals of differences.

Trainings with one seed have the same images in the same order, so that kinds are compared seed by seed.
Three seeds say little of how far a kind scatters, and kinds scatter differently: each one's variance is drawn
towards that of all, as far as they agree (the moderated t of Smyth, Statistical Applications in Genetics and
Molecular Biology 3, 2004). What all kinds together were measured with bounds what any of them rests on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, sqrt
from statistics import mean, stdev

BySeed = Mapping[int, float]

FEWEST_SEEDS = 3
"""With fewer nothing is decided: how differently kinds scatter cannot be seen."""


SMALLEST_EXCESS = 1e-6
"""By how much kinds must scatter more differently than by chance; less would be worth a million seeds."""


@dataclass(frozen=True, slots=True)
class Scatter:
    """By kind the standard deviation of one training, seeds' common share taken off, and what it rests on.

    `freedom` are the degrees of freedom of each: its own and those borrowed from the others, which cannot be
    more than all of them have. `shared` is the standard deviation of what `n_seeds` seeds do to all kinds
    alike: differences between kinds are free of it, a kind's own mean is not.
    """

    deviations: Mapping[str, float]
    freedom: float
    shared: float
    n_seeds: int

    def of_mean(self, kind: str, centre: float, n_seeds: int) -> tuple[float, float] | None:
        """The 95 % interval of a kind's mean; None for a kind of fewer than three seeds.

        Its own and the shared variance rest on different degrees of freedom: Welch and Satterthwaite's.
        """
        if kind not in self.deviations:
            return None
        own, shared = self.deviations[kind] ** 2, self.shared**2
        weighed = own**2 / self.freedom + shared**2 / (self.n_seeds - 1)
        freedom = (own + shared) ** 2 / weighed if weighed else self.freedom
        return _around(centre, sqrt((own + shared) / n_seeds), freedom, 1)

    def of_difference(
        self, first: str, second: str, centre: float, n_seeds: int, n_intervals: int = 1
    ) -> tuple[float, float] | None:
        """The interval of a difference of two means; 95 % for `n_intervals` together (Bonferroni)."""
        if not {first, second} <= self.deviations.keys():
            return None
        variance = self.deviations[first] ** 2 + self.deviations[second] ** 2
        return _around(centre, sqrt(variance / n_seeds), self.freedom, n_intervals)


def _around(centre: float, error: float, freedom: float, n_intervals: int) -> tuple[float, float]:
    from scipy.special import stdtrit

    quantile = float(stdtrit(freedom, 1 - 0.025 / n_intervals))
    return centre - quantile * error, centre + quantile * error


def estimate_scatter(found: Mapping[str, BySeed]) -> Scatter | None:
    """The scatter of the kinds with three seeds or more, over those that all of them have.

    A further seed that a few kinds are ahead with counts once the others have it too. None: there are fewer
    than three such kinds, or seeds.
    """
    whole = {kind: by_seed for kind, by_seed in found.items() if len(by_seed) >= FEWEST_SEEDS}
    seeds = sorted(set.intersection(*(set(by_seed) for by_seed in whole.values()))) if whole else []
    if len(seeds) < FEWEST_SEEDS or len(whole) < 3:
        return None
    shared = {s: mean(by_seed[s] for by_seed in whole.values()) for s in seeds}
    n_kinds, own_freedom = len(whole), len(seeds) - 1
    variances = []
    for by_seed in whole.values():
        left = [by_seed[s] - shared[s] for s in seeds]
        centre = mean(left)
        # The shared part was estimated with this kind in it, which takes a share of its scatter away.
        own = sum((one - centre) ** 2 for one in left) / own_freedom / (1 - 1 / n_kinds)
        variances.append(own)
    prior, prior_freedom = _prior(variances, own_freedom)
    total = prior_freedom + own_freedom
    moderated = [
        prior if prior_freedom == inf else (prior_freedom * prior + own_freedom * own) / total
        for own in variances
    ]
    # The seeds' common share was estimated too, which takes the freedom of one kind away.
    freedom = min(total, (n_kinds - 1) * own_freedom)
    # With what the kinds' own scatter leaves in these means, so that it is rather too large than too small.
    together = stdev(shared.values())
    return Scatter(dict(zip(whole, map(sqrt, moderated), strict=True)), freedom, together, len(seeds))


def _prior(variances: Sequence[float], freedom: int) -> tuple[float, float]:
    """The variance that kinds share, and the degrees of freedom it is worth, by moments of the logarithms."""
    import numpy as np
    from scipy.special import digamma, polygamma

    logarithms = np.log(np.maximum(variances, 1e-12))
    left = logarithms - digamma(freedom / 2) + np.log(freedom / 2)
    excess = float(left.var(ddof=1) - polygamma(1, freedom / 2))
    if excess <= SMALLEST_EXCESS:
        return float(np.exp(left.mean())), inf
    half = _inverse_trigamma(excess)
    return float(np.exp(left.mean() + digamma(half) - np.log(half))), 2 * half


def _inverse_trigamma(value: float) -> float:
    from scipy.optimize import brentq
    from scipy.special import polygamma

    return float(brentq(lambda x: float(polygamma(1, x)) - value, 1e-4, 2 / SMALLEST_EXCESS))
