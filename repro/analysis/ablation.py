"""What an ablation shows: each row's accuracy over its seeds, and which claims of the paper it decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import mean

from repro.analysis.seeds import FEWEST_SEEDS, Scatter, estimate_scatter
from repro.analysis.trainings import Outcome
from repro.exceptions import InvalidRun

BASELINE = "baseline"

ALIKE = 0.01
"""Two rows are alike where they surely differ by less than one point."""


class Decision(StrEnum):
    HOLDS = "holds here"
    CONTRADICTED = "contradicted here"
    UNDECIDED = "not decided at this scale"


class Relation(StrEnum):
    """What is claimed of two rows' accuracies."""

    MORE = "more than"
    NOT_MORE = "not more than"
    ALIKE = "like"


@dataclass(frozen=True, slots=True)
class Comparison:
    first: str
    relation: Relation
    second: str


@dataclass(frozen=True, slots=True)
class RowClaim:
    """A sentence of slide 14 or the paper's ablation study, and the comparisons that it amounts to.

    One is ours: what the hybrids' attention adds where the norm, which it brings along, is the same.
    """

    says: str
    comparisons: tuple[Comparison, ...]


def _claim(says: str, relation: Relation, *pairs: tuple[str, str]) -> RowClaim:
    return RowClaim(says, tuple(Comparison(first, relation, second) for first, second in pairs))


HYBRIDS = (
    "pool pool pool attention",
    "pool pool attention attention",
    "pool pool pool spatial-fc",
    "pool pool spatial-fc spatial-fc",
)

CLAIMS = (
    _claim(
        "The structure matters more than the token mixer: leaving out the mixer costs less than leaving out "
        "residual, channel MLP or norm",
        Relation.MORE,
        ("identity mapping", "no residual"),
        ("identity mapping", "no channel MLP"),
        ("identity mapping", "no norm"),
    ),
    _claim(
        "A random mixer works, learned or pooled ones work better",
        Relation.MORE,
        (BASELINE, "identity mapping"),
        (BASELINE, "global random matrix"),
        ("depthwise convolution", BASELINE),
    ),
    _claim(
        "Larger pools are not better",
        Relation.NOT_MORE,
        *((f"pool {size}", BASELINE) for size in (5, 7, 9)),
    ),
    _claim(
        "The modified layer norm is best", Relation.MORE, (BASELINE, "layer norm"), (BASELINE, "batch norm")
    ),
    _claim("GELU is like SiLU", Relation.ALIKE, (BASELINE, "SiLU")),
    _claim("GELU and SiLU are better than ReLU", Relation.MORE, (BASELINE, "ReLU"), ("SiLU", "ReLU")),
    _claim(
        "Hybrids that mix globally in late stages are better",
        Relation.MORE,
        *((hybrid, BASELINE) for hybrid in HYBRIDS),
    ),
    _claim(
        "Beside the row that has their layer norm, hybrids with attention are better (not a claim of theirs)",
        Relation.MORE,
        *((hybrid, "layer norm") for hybrid in HYBRIDS if "attention" in hybrid),
    ),
)


N_COMPARISONS = sum(len(claim.comparisons) for claim in CLAIMS)


@dataclass(frozen=True, slots=True)
class RowResult:
    """A row's mean accuracy over `seeds`; no interval with too few seeds, or where it collapsed."""

    row: str
    accuracy: float
    interval: tuple[float, float] | None
    seeds: tuple[int, ...]
    params: int
    n_diverged: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Decided:
    """A comparison with the difference found, first minus second.

    All intervals of comparisons together are right in 95 % of ablations (Bonferroni).
    """

    comparison: Comparison
    difference: float
    interval: tuple[float, float] | None
    decision: Decision


@dataclass(frozen=True, slots=True)
class AblationStudy:
    """`scatter` is how far one training of a row lies from another's; None with too few seeds."""

    rows: tuple[RowResult, ...]
    scatter: Scatter | None
    differences: Mapping[str, tuple[float, tuple[float, float] | None]]
    claims: tuple[tuple[RowClaim, tuple[Decided, ...]], ...]


def decide_claim(claim: RowClaim, decided: Sequence[Decided]) -> Decision:
    """Of a whole claim: it holds where all its comparisons do, none of them missing."""
    found = {one.comparison: one.decision for one in decided}
    if Decision.CONTRADICTED in found.values():
        return Decision.CONTRADICTED
    holds = all(found.get(comparison) is Decision.HOLDS for comparison in claim.comparisons)
    return Decision.HOLDS if holds else Decision.UNDECIDED


def study_ablation(outcomes: Sequence[Outcome], chance: float) -> AblationStudy:
    """Judges what was trained so far; a claim all of whose comparisons lack a row is left out.

    Trainings with one seed share their order of images, so rows are compared seed by seed (`seeds.py`).

    Raises:
        InvalidRun: nothing was trained.
    """
    if not outcomes:
        raise InvalidRun("no ablation: nothing was trained")
    found: dict[str, dict[int, float]] = {}
    for outcome in outcomes:
        found.setdefault(outcome.row, {})[outcome.seed] = outcome.accuracy
    scatter = _scatter_of_learning(found, chance)
    compare = _Compare(found, scatter)
    claims = tuple(
        (claim, decided)
        for claim in CLAIMS
        if (decided := tuple(compare.decide(one) for one in claim.comparisons if compare.can(one)))
    )
    differences = {
        row: compare.difference(row, BASELINE)
        for row in found
        if row != BASELINE and compare.common(row, BASELINE)
    }
    rows = tuple(_row_result(row, outcomes, compare) for row in found)
    return AblationStudy(rows, scatter, differences, claims)


def _scatter_of_learning(found: Mapping[str, Mapping[int, float]], chance: float) -> Scatter | None:
    """That of the rows which learn: a collapsed one has another scatter, or none."""
    most = max(mean(by_seed.values()) for by_seed in found.values())
    return estimate_scatter({row: by for row, by in found.items() if mean(by.values()) > (chance + most) / 2})


@dataclass(frozen=True, slots=True)
class _Compare:
    found: Mapping[str, Mapping[int, float]]
    scatter: Scatter | None

    def can(self, comparison: Comparison) -> bool:
        return bool(self.common(comparison.first, comparison.second))

    def common(self, first: str, second: str) -> list[int]:
        """The seeds that both were trained with."""
        return sorted(self.found.get(first, {}).keys() & self.found.get(second, {}).keys())

    def difference(
        self, first: str, second: str, n_intervals: int = 1
    ) -> tuple[float, tuple[float, float] | None]:
        seeds = self.common(first, second)
        centre = mean(self.found[first][s] - self.found[second][s] for s in seeds)
        if self.scatter is None:
            return centre, None
        return centre, self.scatter.of_difference(
            self._as(first), self._as(second), centre, len(seeds), n_intervals
        )

    def interval(self, row: str, centre: float) -> tuple[float, float] | None:
        return self.scatter.of_mean(row, centre, len(self.found[row])) if self.scatter else None

    def _as(self, row: str) -> str:
        """The row whose scatter is taken: a collapsed one is given that of the row which scatters most."""
        assert self.scatter
        if row in self.scatter.deviations or len(self.found[row]) < FEWEST_SEEDS:
            return row
        return max(self.scatter.deviations, key=self.scatter.deviations.__getitem__)

    def decide(self, comparison: Comparison) -> Decided:
        centre, interval = self.difference(comparison.first, comparison.second, N_COMPARISONS)
        decision = Decision.UNDECIDED if interval is None else _decide(comparison.relation, *interval)
        return Decided(comparison, centre, interval, decision)


def _decide(relation: Relation, low: float, high: float) -> Decision:
    holds, contradicted = {
        Relation.MORE: (low > 0, high < 0),
        Relation.NOT_MORE: (high < ALIKE, low > ALIKE),
        Relation.ALIKE: (low > -ALIKE and high < ALIKE, low > ALIKE or high < -ALIKE),
    }[relation]
    if contradicted:
        return Decision.CONTRADICTED
    return Decision.HOLDS if holds else Decision.UNDECIDED


def _row_result(row: str, outcomes: Sequence[Outcome], compare: _Compare) -> RowResult:
    own = [outcome for outcome in outcomes if outcome.row == row]
    centre = mean(outcome.accuracy for outcome in own)
    return RowResult(
        row=row,
        accuracy=centre,
        interval=compare.interval(row, centre),
        seeds=tuple(sorted(outcome.seed for outcome in own)),
        params=own[0].params,
        n_diverged=sum(outcome.diverged for outcome in own),
        seconds=sum(outcome.seconds for outcome in own),
    )
