"""What timm publishes for test sets other than ImageNet val, beside what was measured on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from repro.analysis.compare import UNSETTLED, choose_run, eval_command, why_not_comparable
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

RealCounts = Mapping[str, Mapping[int, RealCount]]
"""What ReaL's labels say of runs on ImageNet val: by run id, then by k of Top-k."""


@dataclass(frozen=True, slots=True)
class SetRow:
    """A model on a test set; `n` are the images that count, `interval` is of Top-1, in fractions."""

    model: str
    label: str
    tag: str | None
    top1_pct: Figure
    top5_pct: Figure
    n: int | None
    interval: tuple[float, float] | None
    run_id: str | None
    runnable: bool

    @property
    def verdict(self) -> Verdict:
        return self.top1_pct.verdict


@dataclass(frozen=True, slots=True)
class ComparedSet:
    test_set: TestSet
    rows: tuple[SetRow, ...]

    @property
    def data(self) -> str:
        """What stands for the images in a command."""
        return "IMAGENET" if self.test_set.relabels else self.test_set.name.upper()


@dataclass(frozen=True, slots=True)
class SetComparison:
    """The sets that timm publishes figures for, and those that something ran on."""

    sets: tuple[ComparedSet, ...]

    @property
    def counts(self) -> dict[Verdict, int]:
        """How many rows have each verdict, in the order of `Verdict`."""
        found = Counter(row.verdict for compared in self.sets for row in compared.rows)
        return {verdict: found[verdict] for verdict in Verdict if found[verdict]}

    @property
    def statement(self) -> str:
        return "Counts: " + ", ".join(f"{n} {verdict}" for verdict, n in self.counts.items())

    @property
    def command(self) -> str:
        """What would settle the first set that is not; empty where all are."""
        for compared in self.sets:
            models = [row.model for row in compared.rows if row.runnable and row.verdict in UNSETTLED]
            if models and compared.test_set.published:
                return eval_command(models, PROTOCOL_NAME, compared.data)
        return ""


def compare_test_sets(runs: Sequence[RunRecord], real: RealCounts) -> SetComparison:
    """Lays timm's figures beside `runs`, on every set; ReaL's from the runs on ImageNet val, by `real`."""
    compared = (_compare_set(test_set, _runs_on(test_set, runs), real) for test_set in load_test_sets())
    return SetComparison(tuple(one for one in compared if one.rows))


def _runs_on(test_set: TestSet, runs: Iterable[RunRecord]) -> list[RunRecord]:
    if test_set.relabels:
        return [run for run in runs if not run.dataset.test_set and run.dataset.name == IMAGENET_VAL]
    return [run for run in runs if run.dataset.test_set == test_set.name]


def _compare_set(test_set: TestSet, runs: Sequence[RunRecord], real: RealCounts) -> ComparedSet:
    """The models that timm publishes figures for, in the catalogue's order, then the others that ran."""
    listed = {spec.name: spec for spec in load_models() if _published(test_set, spec, 1) is not None}
    known = {spec.name: spec for spec in load_models()}
    others = {
        run.model.name: known.get(run.model.name)
        or ModelSpec(run.model.name, run.model.token_mixer, run.model.label, tag=run.model.timm_name)
        for run in sorted(runs, key=lambda run: run.model.name)
    }
    rows = (
        _compare_model(test_set, spec, [run for run in runs if run.model.name == spec.name], real)
        for spec in (listed | others).values()
    )
    return ComparedSet(test_set, tuple(rows))


def _compare_model(test_set: TestSet, spec: ModelSpec, runs: Sequence[RunRecord], real: RealCounts) -> SetRow:
    run = choose_run(runs, spec.protocols.get(PROTOCOL_NAME), _set_of_runs(test_set))
    n, correct = _count(test_set, run, real) if run else (0, {})
    top1, top5 = (
        _compare(test_set, spec, run, _published(test_set, spec, k), n, correct.get(k)) for k in (1, 5)
    )
    return SetRow(
        model=spec.name,
        label=spec.label,
        tag=spec.tag,
        top1_pct=top1,
        top5_pct=top5,
        n=n if run else None,
        interval=wilson_interval(correct[1] or 0, n) if top1.measured is not None else None,
        run_id=run.run_id if run else None,
        runnable=spec.runnable,
    )


def _set_of_runs(test_set: TestSet) -> str:
    """The set that its images are of, as runs state it; ImageNet val is empty."""
    return "" if test_set.relabels else test_set.name


def _count(test_set: TestSet, run: RunRecord, real: RealCounts) -> tuple[int, dict[int, int | None]]:
    """How many images count, and how many of them are right, by k."""
    if test_set.relabels:
        counts = real.get(run.run_id, {})
        return max((count.n for count in counts.values()), default=0), {
            k: count.correct for k, count in counts.items()
        }
    return run.summary.n_scored, {1: run.summary.top1_correct, 5: run.summary.top5_correct}


def _published(test_set: TestSet, spec: ModelSpec, k: int) -> Decimal | None:
    return published_by_timm().get(spec.tag or "", {}).get(f"{test_set.published}_top{k}")


def _compare(
    test_set: TestSet,
    spec: ModelSpec,
    run: RunRecord | None,
    printed: Decimal | None,
    n: int,
    correct: int | None,
) -> Figure:
    if run is None:
        reason = spec.unavailable or eval_command([spec.name], PROTOCOL_NAME, ComparedSet(test_set, ()).data)
        return Figure(Verdict.NOT_RUN, printed, reason=reason)
    if run.summary.invalid:
        return Figure(Verdict.INVALID, printed, reason=run.summary.invalid)
    if not n or correct is None:
        reason = (
            f"its rows do not tell: no image has labels of {test_set.title}, or too few classes are listed"
        )
        return Figure(Verdict.NOT_COMPARABLE, printed, reason=reason)
    measured = Decimal(100 * correct) / n
    hindrance = why_not_comparable(run, spec.protocols.get(PROTOCOL_NAME), _set_of_runs(test_set))
    if hindrance := "; ".join(filter(None, (test_set.unclear, hindrance))):
        return Figure(Verdict.NOT_COMPARABLE, printed, measured, reason=hindrance)
    if printed is None:
        return Figure(Verdict.NOT_PRINTED, None, measured, reason="no figure is published for it")
    return judge_accuracy(measured, printed)
