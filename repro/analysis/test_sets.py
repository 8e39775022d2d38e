"""What timm publishes for test sets other than ImageNet val, beside what was measured on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby

from repro.analysis.comparability import choose_run, spec_of, why_not_comparable
from repro.analysis.compare import TOKEN_MIXERS, UNSETTLED, eval_command
from repro.analysis.metrics import RealCount
from repro.analysis.statistics import wilson_interval
from repro.analysis.verdict import Figure, Verdict, judge_accuracy
from repro.catalogue.models import load_models, published_by_timm
from repro.catalogue.test_sets import TestSet, load_test_sets
from repro.datasets.dataset import IMAGENET_VAL
from repro.results.record import RunRecord
from repro.specs import ModelSpec

PROTOCOL_NAME = "timm"
"""The one that timm's published figures were made under."""

NOT_PUBLISHED = "not published by timm"

RealCounts = Mapping[str, Mapping[int, RealCount]]
"""What ReaL's labels say of runs on ImageNet val: by run id, then by k of Top-k."""


@dataclass(frozen=True, slots=True)
class SetCell:
    """A model on a test set; `n` are the images that count, `interval` is of Top-1, in fractions."""

    top1_pct: Figure
    top5_pct: Figure
    n: int | None
    interval: tuple[float, float] | None
    run_id: str | None

    @property
    def verdict(self) -> Verdict:
        return self.top1_pct.verdict

    @property
    def shown(self) -> bool:
        """Whether there is anything to say: a figure is published, or the model ran."""
        return self.top1_pct.printed is not None or self.run_id is not None


@dataclass(frozen=True, slots=True)
class SetRow:
    """A model on all sets; `cells` by the set's name."""

    group: str
    model: str
    label: str
    tag: str | None
    cells: Mapping[str, SetCell]
    runnable: bool


@dataclass(frozen=True, slots=True)
class SetComparison:
    """The sets that timm publishes figures for and those that something ran on; rows group by group."""

    sets: tuple[TestSet, ...]
    rows: tuple[SetRow, ...]

    @property
    def groups(self) -> dict[str, list[SetRow]]:
        return {heading: list(rows) for heading, rows in groupby(self.rows, key=lambda row: row.group)}

    @property
    def counts(self) -> dict[Verdict, int]:
        """How many cells have each verdict, in the order of `Verdict`."""
        found = Counter(cell.verdict for row in self.rows for cell in row.cells.values() if cell.shown)
        return {verdict: found[verdict] for verdict in Verdict if found[verdict]}

    @property
    def statement(self) -> str:
        return "Counts: " + ", ".join(f"{n} {verdict}" for verdict, n in self.counts.items())

    @property
    def command(self) -> str:
        """What would settle the first set that is not; empty where all are."""
        for test_set in self.sets:
            models = [
                row.model
                for row in self.rows
                if row.runnable
                and row.cells[test_set.name].top1_pct.printed is not None
                and row.cells[test_set.name].verdict in UNSETTLED
            ]
            if models:
                return eval_command(models, PROTOCOL_NAME, _data(test_set))
        return ""

    def has_runs(self, test_set: TestSet) -> bool:
        return any(row.cells[test_set.name].run_id for row in self.rows)


def compare_test_sets(runs: Sequence[RunRecord], real: RealCounts) -> SetComparison:
    """Lays timm's figures beside `runs`, on every set; ReaL's from the runs on ImageNet val, by `real`."""
    by_set = {test_set: _runs_on(test_set, runs) for test_set in load_test_sets()}
    by_set = {test_set: found for test_set, found in by_set.items() if test_set.published or found}
    published = [spec for spec in load_models() if spec.tag in published_by_timm()]
    published.sort(key=lambda spec: TOKEN_MIXERS.index(spec.token_mixer))
    listed = {spec.name for spec in published}
    others = _others([run for found in by_set.values() for run in found if run.model.name not in listed])
    grouped = [*((spec.token_mixer, spec) for spec in published), *((NOT_PUBLISHED, spec) for spec in others)]
    rows = (
        SetRow(
            group=group,
            model=spec.name,
            label=spec.label,
            tag=spec.tag,
            cells={
                test_set.name: _compare(test_set, spec, [r for r in found if r.model.name == spec.name], real)
                for test_set, found in by_set.items()
            },
            runnable=spec.runnable,
        )
        for group, spec in grouped
    )
    return SetComparison(tuple(by_set), tuple(rows))


def _others(runs: Sequence[RunRecord]) -> list[ModelSpec]:
    """The models of `runs`, which need not even be in the catalogue."""
    found = {run.model.name: run.model for run in sorted(runs, key=lambda run: run.model.name)}
    return list(map(spec_of, found.values()))


def _data(test_set: TestSet) -> str:
    """What stands for the images in a command."""
    return "IMAGENET" if test_set.relabels else test_set.name.upper()


def _runs_on(test_set: TestSet, runs: Iterable[RunRecord]) -> list[RunRecord]:
    if test_set.relabels:
        return [run for run in runs if not run.dataset.test_set and run.dataset.name == IMAGENET_VAL]
    return [run for run in runs if run.dataset.test_set == test_set.name]


def _compare(test_set: TestSet, spec: ModelSpec, runs: Sequence[RunRecord], real: RealCounts) -> SetCell:
    run = choose_run(runs, spec.protocols.get(PROTOCOL_NAME), _set_of_runs(test_set))
    n, correct = _count(test_set, run, real) if run else (None, {})
    top1, top5 = (_judge(test_set, spec, run, k, n, correct.get(k)) for k in (1, 5))
    return SetCell(
        top1_pct=top1,
        top5_pct=top5,
        n=n,
        interval=wilson_interval(correct[1] or 0, n) if n and top1.measured is not None else None,
        run_id=run.run_id if run else None,
    )


def _set_of_runs(test_set: TestSet) -> str:
    """The set that its images are of, as runs state it; ImageNet val is empty."""
    return "" if test_set.relabels else test_set.name


def _count(test_set: TestSet, run: RunRecord, real: RealCounts) -> tuple[int | None, dict[int, int | None]]:
    """How many images count, and how many of them are right, by k."""
    if not test_set.relabels:
        return run.summary.n_scored, {1: run.summary.top1_correct, 5: run.summary.top5_correct}
    counts = real.get(run.run_id, {})
    n = next((count.n for count in counts.values()), None)
    return n, {k: count.correct for k, count in counts.items()}


def _judge(
    test_set: TestSet, spec: ModelSpec, run: RunRecord | None, k: int, n: int | None, correct: int | None
) -> Figure:
    published = published_by_timm().get(spec.tag or "", {}).get(f"{test_set.published}_top{k}")
    if run is None:
        reason = spec.unavailable or eval_command([spec.name], PROTOCOL_NAME, _data(test_set))
        return Figure(Verdict.NOT_RUN, published, reason=reason)
    if run.summary.invalid or not run.summary.n_scored:
        return Figure(Verdict.INVALID, published, reason=run.summary.invalid or "no image was scored")
    if not n or correct is None:
        reason = f"its rows do not tell: no labels of {test_set.short}, or fewer than {k} classes an image"
        return Figure(Verdict.NOT_COMPARABLE, published, reason=reason)
    measured = Decimal(100 * correct) / n
    other = why_not_comparable(run, spec.protocols.get(PROTOCOL_NAME), _set_of_runs(test_set))
    if hindrance := "; ".join(filter(None, (test_set.unclear, other))):
        return Figure(Verdict.NOT_COMPARABLE, published, measured, reason=hindrance)
    if published is None:
        return Figure(Verdict.NOT_PRINTED, None, measured, reason="no figure is published for it")
    return judge_accuracy(measured, published)
