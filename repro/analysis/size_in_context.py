"""Whether a longer reach lets networks judge size from the surroundings, over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from statistics import mean

from repro.analysis.seeds import Scatter, estimate_scatter
from repro.exceptions import InvalidRun

ADDED = "test minus surroundings alone"
"""What it brings to see the object in its surroundings: the most that is judged from both. These networks
never learned surroundings alone, and others might make more of them."""

QUESTIONS = ("test", "sizes", "scenes", ADDED)
"""The conditions under which models are compared; the others are controls and probes."""


@dataclass(frozen=True, slots=True)
class Answered:
    """One trained model under one condition: `n_right` of `n` scenes."""

    model: str
    seed: int
    condition: str
    n_right: int
    n: int

    @property
    def accuracy(self) -> float:
        return self.n_right / self.n


class Order(StrEnum):
    MORE = "more"
    LESS = "less"
    UNDECIDED = "not decided at this scale"


@dataclass(frozen=True, slots=True)
class Cell:
    """The mean over seeds; the interval is None with fewer than three seeds."""

    accuracy: float
    interval: tuple[float, float] | None
    n_seeds: int


@dataclass(frozen=True, slots=True)
class Compared:
    """First minus second under a condition; all intervals together are right in 95 % of studies."""

    condition: str
    first: str
    second: str
    difference: float
    interval: tuple[float, float] | None

    @property
    def order(self) -> Order:
        if self.interval is None or self.interval[0] <= 0 <= self.interval[1]:
            return Order.UNDECIDED
        return Order.MORE if self.interval[0] > 0 else Order.LESS


@dataclass(frozen=True, slots=True)
class SizeStudyResult:
    """Cells by condition and model."""

    cells: Mapping[str, Mapping[str, Cell]]
    compared: tuple[Compared, ...]


def study_sizes(answered: Sequence[Answered]) -> SizeStudyResult:
    """Judges what was trained so far.

    Raises:
        InvalidRun: nothing was.
    """
    if not answered:
        raise InvalidRun("no study: nothing was trained")
    found: dict[str, dict[str, dict[int, float]]] = {}
    for one in answered:
        found.setdefault(one.condition, {}).setdefault(one.model, {})[one.seed] = one.accuracy
    if added := _added(found):
        found = {ADDED: added, **found}
    scatters = {condition: estimate_scatter(by_model) for condition, by_model in found.items()}
    cells = {
        condition: {
            model: _cell(model, list(by_seed.values()), scatters[condition])
            for model, by_seed in by_model.items()
        }
        for condition, by_model in found.items()
    }
    asked = [condition for condition in QUESTIONS if condition in found]
    pairs = [
        (condition, first, second)
        for condition in asked
        for first, second in combinations(found[condition], 2)
        if found[condition][first].keys() & found[condition][second].keys()
    ]
    compared = tuple(
        _compare(condition, first, second, found[condition], scatters[condition], len(pairs))
        for condition, first, second in pairs
    )
    return SizeStudyResult(cells, compared)


def _added(found: Mapping[str, Mapping[str, Mapping[int, float]]]) -> dict[str, dict[int, float]]:
    """By model and seed."""
    whole, part = found.get("test", {}), found.get("surroundings alone", {})
    return {
        model: {seed: value - part[model][seed] for seed, value in by_seed.items() if seed in part[model]}
        for model, by_seed in whole.items()
        if model in part
    }


def _cell(model: str, accuracies: Sequence[float], scatter: Scatter | None) -> Cell:
    centre, n = mean(accuracies), len(accuracies)
    return Cell(centre, scatter.of_mean(model, centre, n) if scatter else None, n)


def _compare(
    condition: str,
    first: str,
    second: str,
    found: Mapping[str, Mapping[int, float]],
    scatter: Scatter | None,
    n_intervals: int,
) -> Compared:
    seeds = found[first].keys() & found[second].keys()
    centre = mean(found[first][s] - found[second][s] for s in seeds)
    interval = scatter.of_difference(first, second, centre, len(seeds), n_intervals) if scatter else None
    return Compared(condition, first, second, centre, interval)
