"""Runs beside each other: their metrics, every two of them image by image, their calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from fractions import Fraction
from typing import Any

from repro.analysis.paired import not_excluded
from repro.analysis.run_metrics import PairComparison, RunMetrics
from repro.analysis.statistics import SIGNIFICANT
from repro.reporting.figures import p_equation, p_text, percent_interval, points_interval, points_up
from repro.reporting.table import Column, Group, Table
from repro.results.record import RunRecord


def metrics_table(metrics: Sequence[RunMetrics], records: Mapping[str, RunRecord]) -> Table:
    """One row a run."""
    return Table(
        title=f"{len(metrics)} runs",
        columns=(
            Column("Run"),
            Column("Protocol", drop=4),
            Column("Images", "right"),
            Column("Top-1 (%)", "right"),
            Column("95% interval", "right", drop=1),
            Column("ReaL (%)", "right"),
            Column("of images", "right", drop=2),
            Column("Top-5 (%)", "right"),
            Column("mean per class (%)", "right"),
            Column("ECE (%)", "right"),
            Column("NLL (nats)", "right"),
        ),
        groups=(Group("", tuple(_metrics_cells(m, records[m.run_id]) for m in metrics)),),
        notes=(
            "Top-1: of all images; mean per class: the mean of the classes' own; ReaL: right where the "
            "prediction is one of an image's ReaL labels, of the images that have any.",
            "ECE: expected calibration error, 15 bins; NLL: mean of -ln p(true class). "
            "Empty: the run does not tell.",
        ),
    )


def _metrics_cells(metrics: RunMetrics, record: RunRecord) -> tuple[str, ...]:
    real = metrics.real
    return (
        metrics.run_id,
        str(record.protocol or record.protocol_name),
        f"{metrics.n:,}",
        _percent(metrics.top1),
        percent_interval(metrics.top1_interval),
        _percent(Fraction(real.correct, real.n)) if real else "",
        f"{real.n:,}" if real else "",
        _percent(metrics.top5),
        _percent(metrics.mean_class),
        _percent(metrics.calibration_error),
        "" if metrics.log_loss is None else f"{metrics.log_loss:.4f}",
    )


def pairs_table(pairs: Sequence[PairComparison]) -> Table:
    """One row a pair; what is said of it is said in words."""
    n_tests = len(pairs)
    return Table(
        title="Two models on the same images",
        columns=(
            Column("First"),
            Column("Second"),
            Column("Images", "right", drop=2),
            Column("Difference (points)", "right"),
            Column("95% interval", "right"),
            Column("only first right", "right", drop=1),
            Column("only second right", "right", drop=1),
            Column("same prediction (%)", "right", drop=2),
            Column("p", "right"),
            *((Column("p corrected", "right"),) if n_tests > 1 else ()),
            Column("Finding", colours={"no difference shown": "yellow"}),
        ),
        groups=(Group("", tuple(_pair_cells(pair, n_tests) for pair in pairs)),),
        notes=(
            "Difference: Top-1 of the first minus that of the second, with Agresti and Min's interval "
            "for matched pairs; p: McNemar's exact test"
            + (f", corrected for {n_tests} comparisons (Holm)." if n_tests > 1 else "."),
        ),
    )


def _pair_cells(pair: PairComparison, n_tests: int) -> tuple[str, ...]:
    counts, paired = pair.counts, pair.paired
    return (
        pair.first,
        pair.second,
        f"{counts.n:,}",
        _points(paired.difference),
        points_interval(paired.interval),
        f"{counts.only_first:,}",
        f"{counts.only_second:,}",
        _percent(counts.agreement),
        p_text(paired.p),
        *((p_text(pair.p_corrected),) if n_tests > 1 else ()),
        finding(pair),
    )


def finding(pair: PairComparison) -> str:
    """`first is better`, or that the images do not show which is."""
    if pair.p_corrected >= SIGNIFICANT:
        return "no difference shown"
    return "first is better" if pair.paired.difference > 0 else "second is better"


def finding_sentence(pair: PairComparison, first: str, second: str) -> str:
    """The finding in words, the two called `first` and `second`; without one, what is excluded instead."""
    paired, n = pair.paired, f"{pair.counts.n:,} images"
    p = f"McNemar's exact p {p_equation(pair.p_corrected)}"
    if pair.p_corrected >= SIGNIFICANT:
        most = points_up(not_excluded([pair.counts]))
        return (
            f"No difference is shown on these {n}: {first} minus {second} is {_points(paired.difference)} "
            f"points of Top-1 (95% interval {points_interval(paired.interval)}, {p}). "
            f"That either is better by more than {most} points is excluded (by Clopper and Pearson's limits)."
        )
    better, worse, sign = (first, second, 1) if paired.difference > 0 else (second, first, -1)
    low, high = sorted(100 * sign * end for end in paired.interval)
    return (
        f"{better} is better than {worse} by {100 * sign * paired.difference:.2f} points of Top-1 "
        f"on these {n} (95% interval {low:.2f} to {high:.2f}, {p})."
    )


def bins_table(metrics: Sequence[RunMetrics]) -> Table:
    """The bins behind the calibration error: what was promised and what was kept."""
    return Table(
        title="Calibration, by the probability of the predicted class",
        columns=(
            Column("Probability"),
            Column("Images", "right"),
            Column("mean probability (%)", "right"),
            Column("Top-1 (%)", "right"),
        ),
        groups=tuple(
            Group(
                m.run_id,
                tuple(
                    (f"{b.low:.3f}–{b.high:.3f}", f"{b.n:,}", _percent(b.mean_p), _percent(b.accuracy))
                    for b in m.bins
                ),
            )
            for m in metrics
            if m.bins
        ),
        notes=("Bins without images are left out.",),
        grouped_by="Run",
    )


def comparison_json(metrics: Sequence[RunMetrics], pairs: Sequence[PairComparison]) -> dict[str, Any]:
    """Counts as integers, accuracies and differences as fractions; null for what a run does not tell."""
    return {
        "runs": [
            {
                "run": m.run_id,
                "n": m.n,
                "top1": float(m.top1),
                "top1_interval": list(m.top1_interval),
                "top5": None if m.top5 is None else float(m.top5),
                "mean_class": float(m.mean_class),
                "real": asdict(m.real) if m.real else None,
                "calibration_error": m.calibration_error,
                "log_loss": m.log_loss,
                "bins": None if m.bins is None else [asdict(b) for b in m.bins],
            }
            for m in metrics
        ],
        "pairs": [
            {
                "first": pair.first,
                "second": pair.second,
                **asdict(pair.counts),
                "n": pair.counts.n,
                **asdict(pair.paired),
                "p_corrected": pair.p_corrected,
                "finding": finding(pair),
            }
            for pair in pairs
        ],
    }


def _percent(fraction: Fraction | float | None) -> str:
    return "" if fraction is None else f"{100 * float(fraction):.3f}"


def _points(fraction: float) -> str:
    return f"{100 * fraction:+.2f}"
