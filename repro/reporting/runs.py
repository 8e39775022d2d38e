"""Runs as tables: their accuracies, and what they got wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from repro.analysis.metrics import mistakes
from repro.analysis.statistics import wilson_interval
from repro.catalogue.classes import class_name
from repro.reporting.figures import count_of, percent_interval
from repro.reporting.table import Column, Group, Table
from repro.results.manifest import NOT_VERIFIED
from repro.results.record import RunRecord
from repro.results.store import read_rows


def short_names(records: Sequence[RunRecord]) -> dict[str, str]:
    """What each run is called: its model's label, and its id where several would be called alike."""
    labels = {record.run_id: record.model.label or record.model.name for record in records}
    called = list(labels.values())
    return {run: label if called.count(label) == 1 else run for run, label in labels.items()}


def runs_table(records: Sequence[RunRecord]) -> Table:
    """One row a run, with no percentage where the run may not be believed."""
    return Table(
        title=count_of(len(records), "run"),
        columns=(
            Column("Run"),
            Column("Protocol", drop=4),
            Column("Images", "right"),
            Column("Top-1 (%)", "right"),
            Column("95% interval", "right", drop=1),
            Column("Top-5 (%)", "right", drop=2),
            Column("Started", drop=3),
            Column("Note", "right", footnotes=True),
        ),
        groups=(Group("", tuple(_run_cells(record) for record in records)),),
    )


def mistakes_table(runs: Path, records: Sequence[RunRecord]) -> Table:
    """Every image that a run of `records` got wrong, most confident first."""
    groups = []
    for record in records:
        found = mistakes(read_rows(runs / record.run_id, record))
        cells = tuple(
            (
                m.image_id,
                class_name(m.label),
                class_name(m.predicted),
                _probability(m.p_predicted),
                _probability(m.p_label),
            )
            for m in found
        )
        groups.append(Group(f"{record.model.label}: {len(found)} of {record.summary.n_scored:,}", cells))
    return Table(
        title="Mistakes",
        columns=(
            Column("Image"),
            Column("True class"),
            Column("Predicted"),
            Column("p (predicted)", "right"),
            Column("p (true)", "right"),
        ),
        groups=tuple(groups),
        grouped_by="Model",
    )


def _run_cells(record: RunRecord) -> tuple[str, ...]:
    summary, invalid = record.summary, bool(record.summary.invalid)
    interval = None if invalid else wilson_interval(summary.top1_correct, summary.n_scored)
    return (
        record.run_id,
        f"{record.protocol_name}: {record.protocol}" if record.protocol else record.protocol_name,
        f"{summary.n_scored:,}",
        "INVALID" if invalid else _percent(summary.top1_correct, summary.n_scored),
        percent_interval(interval),
        "" if invalid else _percent(summary.top5_correct, summary.n_scored),
        record.started.replace("T", " ").removesuffix("+00:00"),
        "; ".join(_remarks(record)),
    )


def _remarks(record: RunRecord) -> list[str]:
    summary = record.summary
    if summary.invalid:
        return [summary.invalid]
    remarks = [f"partial: {record.dataset.partial}"] if record.dataset.partial else []
    if record.dataset.classes:
        remarks.append(f"{record.dataset.test_set}: arg-max over its {len(record.dataset.classes)} classes")
    if n_failed := summary.n - summary.n_scored:
        of_all = _percent(summary.top1_correct, summary.n)
        remarks.append(
            f"{n_failed:,} of {summary.n:,} images unreadable; counted as wrong, Top-1 is {of_all} %"
        )
    if record.imported:
        remarks.append(f"predictions imported from {record.model.weights.location}, not made here")
    elif record.dataset.verified == NOT_VERIFIED:
        remarks.append("images not verified against a manifest (repro doctor)")
    if record.computed:
        remarks.append(record.computed)
    if record.model.weights.origin == "file":
        remarks.append(f"local weights {record.model.weights.location}, not pinned")
    return remarks


def _percent(correct: int | None, n: int) -> str:
    return "" if correct is None else f"{100 * correct / n:.3f}"


def _probability(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
