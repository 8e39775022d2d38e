"""What a few trainings of each of several kinds say, seed by seed: scatter, and intervals of means.

A few seeds say little of one kind's own scatter: it is taken to be the same in all kinds, and estimated from
what is left of their accuracies once each kind's and each seed's mean are taken off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from statistics import mean

BySeed = Mapping[int, float]


@dataclass(frozen=True, slots=True)
class Scatter:
    """Standard deviation of one training, and the degrees of freedom that it was estimated with."""

    deviation: float
    freedom: int

    def around(
        self, centre: float, n_seeds: int, n_means: int, n_intervals: int = 1
    ) -> tuple[float, float] | None:
        """The interval of a mean over seeds, or of a difference of two; 95 % for `n_intervals` together."""
        if n_seeds < 2:
            return None
        from scipy.special import stdtrit

        quantile = float(stdtrit(self.freedom, 1 - 0.025 / n_intervals))
        reach = quantile * self.deviation * sqrt(n_means / n_seeds)
        return centre - reach, centre + reach


def pooled_scatter(found: Mapping[str, BySeed]) -> Scatter | None:
    """The scatter within kinds that have all seeds; None without two of them, or without a second seed."""
    most = max((len(by_seed) for by_seed in found.values()), default=0)
    whole = [by_seed for by_seed in found.values() if len(by_seed) == most]
    seeds = sorted(set.intersection(*(set(by_seed) for by_seed in whole))) if whole else []
    if len(whole) < 2 or len(seeds) < 2:
        return None
    means = [mean(by_seed[s] for s in seeds) for by_seed in whole]
    seed_means = {s: mean(by_seed[s] for by_seed in whole) for s in seeds}
    grand = mean(means)
    left = [
        by_seed[s] - own - seed_means[s] + grand
        for by_seed, own in zip(whole, means, strict=True)
        for s in seeds
    ]
    freedom = (len(whole) - 1) * (len(seeds) - 1)
    return Scatter(sqrt(sum(one**2 for one in left) / freedom), freedom)
