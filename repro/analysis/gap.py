"""How far a run's Top-1 is from its reference, and whether there is anything to explain at all."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from repro.analysis.statistics import wilson_interval
from repro.analysis.variation_effects import Gap
from repro.analysis.verdict import MATCHES, judge_accuracy, last_digit
from repro.catalogue.models import find_model, published_by_timm
from repro.catalogue.tables import load_tables
from repro.datasets.dataset import IMAGENET_VAL
from repro.exceptions import InvalidRun
from repro.results.record import RunRecord
from repro.specs import N_CLASSES


@dataclass(frozen=True, slots=True)
class Reference:
    """The Top-1, in percent as printed, that a run should have; `same_images`: measured on the run's own."""

    top1_pct: Decimal
    source: str
    same_images: bool


@dataclass(frozen=True, slots=True)
class RunGap:
    """`gap` is None where nothing is to be explained; `statement` says why, or how large it is."""

    statement: str
    gap: Gap | None
    reference: Reference | None


def measure_gap(run: RunRecord, given_pct: Decimal | None = None) -> RunGap:
    """The gap between the run and what is `given`, else printed or published for its model and protocol.

    Raises:
        InvalidRun: the run has no accuracy that could be believed.
    """
    if run.summary.invalid or not run.summary.n_scored:
        raise InvalidRun(
            f"{run.run_id} is INVALID: {run.summary.invalid or 'no image was scored'}",
            hint="mend the images and evaluate again: an invalid run's Top-1 needs no other explanation",
        )
    measured_pct = Decimal(100 * run.summary.top1_correct) / run.summary.n_scored
    measured = f"Top-1 {measured_pct:.2f} % on {run.summary.n_scored:,} images"
    reference = _given(given_pct) or _find_reference(run)
    if isinstance(reference, str):
        return RunGap(f"{measured}; no reference: {reference}", None, None)
    stated = f"{reference.top1_pct} ({reference.source})"
    if reference.same_images:
        figure = judge_accuracy(measured_pct, reference.top1_pct)
        if figure.verdict in MATCHES:
            return RunGap(f"{measured} is {figure.verdict} as {stated}: nothing to explain", None, reference)
        return RunGap(f"{measured}: {figure.reason} ({reference.source})", _gap(run, reference), reference)
    low, high = (100 * end for end in wilson_interval(run.summary.top1_correct, run.summary.n_scored))
    interval = f"the run's own interval {low:.1f}–{high:.1f}"
    gap = _gap(run, reference)
    if gap.low <= 0 <= gap.high:
        advice = "nothing to explain yet; evaluate more images"
        return RunGap(f"{measured}; {interval} contains {stated}: {advice}", None, reference)
    sides = f"{100 * gap.low:+.1f} to {100 * gap.high:+.1f}"
    return RunGap(f"{measured}; {interval} leaves out {stated}: {sides} points missing", gap, reference)


def _gap(run: RunRecord, reference: Reference) -> Gap:
    summary = run.summary
    if reference.same_images:
        lowest = highest = summary.top1_correct / summary.n_scored
    else:
        lowest, highest = wilson_interval(summary.top1_correct, summary.n_scored)
    half = last_digit(reference.top1_pct) / 2
    return Gap(
        low=float(reference.top1_pct - half) / 100 - highest,
        high=float(reference.top1_pct + half) / 100 - lowest,
    )


def _given(top1_pct: Decimal | None) -> Reference | None:
    return None if top1_pct is None else Reference(top1_pct, "as given", same_images=True)


def _find_reference(run: RunRecord) -> Reference | str:
    """The reference, or why there is none."""
    if run.dataset.name != IMAGENET_VAL:
        return f"{run.dataset.name} is not ImageNet val; --reference gives one"
    if run.dataset.n_classes < N_CLASSES:
        return f"the images show {run.dataset.n_classes} of {N_CLASSES} classes"
    whole = not run.dataset.partial and run.summary.n_scored == run.dataset.n_expected
    printed = [] if run.protocol_name == "timm" else _printed(run.model.name)
    for top1_pct, source in [*printed, *_published(run.model.name)]:
        return Reference(top1_pct, source, same_images=whole)
    return f"no Top-1 of {run.model.name} is printed or published; --reference gives one"


def _printed(model: str) -> list[tuple[Decimal, str]]:
    """What the tables print of the model, the paper's first."""
    tables = sorted(load_tables().values(), key=lambda table: table.name != "paper")
    return [
        (row.claims["top1_pct"].printed, f"printed in {row.claims['top1_pct'].source}")
        for table in tables
        for row in table.rows
        if row.model == model and "top1_pct" in row.claims and "top1_pct" not in row.superseded
    ]


def _published(model: str) -> list[tuple[Decimal, str]]:
    found = published_by_timm().get(find_model(model).tag or "", {}).get("imagenet_top1")
    return [] if found is None else [(found, "published by timm")]
