"""A comparison as a table for people, and as JSON with the raw numbers; percent and rounding only here."""

from __future__ import annotations

from typing import Any

from repro.analysis.compare import ComparedRow, Comparison
from repro.analysis.verdict import REPRODUCED_POINTS, SAME_POINTS, Verdict
from repro.reporting.figures import (
    COLOURS,
    figure_json,
    percent_interval,
    printed_text,
    rounded_text,
    signed_text,
)
from repro.reporting.table import Column, Group, Table

EXPLAINED = {Verdict.NOT_COMPARABLE, Verdict.INVALID, Verdict.SUPERSEDED}
"""Verdicts whose reason the numbers beside them do not say."""


def comparison_table(comparison: Comparison) -> Table:
    """The table; its `Note` column gives the reason wherever the numbers do not speak for themselves."""
    reference = "timm" if comparison.protocol_name == "timm" else "printed"
    return Table(
        title=f"{comparison.table.caption}, protocol {comparison.protocol_name}",
        columns=(
            Column("Model"),
            Column("Size (px)", "right", drop=4),
            Column("Params (M) printed", "right", drop=3),
            Column("Params (M) counted", "right", drop=3),
            Column("MACs (G) printed", "right", drop=2),
            Column("MACs (G) counted", "right", drop=2),
            Column(f"Top-1 (%) {reference}", "right"),
            Column("Top-1 (%) measured", "right"),
            Column("95% interval", "right"),
            Column("n", "right", drop=1),
            Column("Differs (points)", "right"),
            Column("Verdict", colours=COLOURS),
            Column("Note", "right", footnotes=True),
        ),
        groups=tuple(
            Group(heading, tuple(_cells(row) for row in rows)) for heading, rows in comparison.groups.items()
        ),
        notes=tuple(_notes(comparison)),
        grouped_by="Token mixer",
    )


def printed_table(comparison: Comparison) -> Table:
    """What is known without a run: the printed columns beside the counted ones."""
    counter = comparison.table.macs_counter
    return Table(
        title=comparison.table.caption,
        columns=(
            Column("Model"),
            Column("Size (px)", "right"),
            Column("Params (M) printed", "right"),
            Column("Params (M) counted", "right"),
            Column("MACs (G) printed", "right"),
            Column("MACs (G) counted", "right"),
            Column("Top-1 (%) printed", "right"),
            Column("Note", "right", footnotes=True),
        ),
        groups=tuple(
            Group(heading, tuple((*_cells(row)[:7], _remark(row)) for row in rows))
            for heading, rows in comparison.groups.items()
        ),
        notes=(
            f"Printed in: {comparison.table.source}. The MACs counted are {counter}'s.",
            "Params and MACs agree when they are one unit of the last printed digit apart, or less.",
        ),
        grouped_by="Token mixer",
    )


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """Numbers as numbers, in the units of their names; intervals as fractions; null for what is missing."""
    return {
        "table": comparison.table.name,
        "caption": comparison.table.caption,
        "source": comparison.table.source,
        "macs_counter": comparison.table.macs_counter,
        "protocol": comparison.protocol_name,
        "counts": {str(verdict): n for verdict, n in comparison.counts.items()},
        "rows": [_row_json(row) for row in comparison.rows],
    }


def _cells(row: ComparedRow) -> tuple[str, ...]:
    return (
        row.label,
        "" if row.image_size_px is None else str(row.image_size_px),
        printed_text(row.params_m.printed),
        rounded_text(row.params_m.measured),
        printed_text(row.macs_g.printed),
        rounded_text(row.macs_g.measured),
        printed_text(row.top1_pct.printed),
        rounded_text(row.top1_pct.measured),
        percent_interval(row.interval),
        "" if row.n is None else str(row.n),
        signed_text(row.top1_pct.difference),
        str(row.verdict),
        _remark(row),
    )


def _remark(row: ComparedRow) -> str:
    """What the numbers of a row do not say themselves."""
    cannot_run = row.verdict is Verdict.NOT_RUN and not row.runnable
    judged_together = row.reason != row.top1_pct.reason
    parts = [row.reason] if row.verdict in EXPLAINED or cannot_run or judged_together else []
    counts = {"Params": row.params_m, "MACs": row.macs_g}
    if differing := [name for name, figure in counts.items() if figure.verdict is Verdict.DIFFERS]:
        parts.append(f"{' and '.join(differing)} differ")
    parts += [f"{name}: {figure.reason}" for name, figure in counts.items() if figure.reason]
    return "; ".join([*parts, *row.notes])


def _notes(comparison: Comparison) -> list[str]:
    table = comparison.table
    notes = [
        comparison.statement,
        f"SAME: within {SAME_POINTS} points of the nearest value that rounds to the printed one; "
        f"REPRODUCED: within {REPRODUCED_POINTS}. "
        "Params and MACs may be one unit of the last printed digit off.",
        f"Printed in: {table.source}; its MACs are {table.macs_counter}'s.",
    ]
    if comparison.protocol_name == "timm":
        notes.append("Top-1 (%) timm: what timm publishes for its checkpoints.")
    if any(row.verdict is Verdict.NOT_RUN and row.runnable for row in comparison.rows):
        notes.append("NOT RUN without a note: can be run, and was not.")
    return notes


def _row_json(row: ComparedRow) -> dict[str, Any]:
    return {
        "model": row.model,
        "label": row.label,
        "token_mixer": row.token_mixer,
        "image_size_px": row.image_size_px,
        "tag": row.tag,
        "verdict": str(row.verdict),
        "reason": row.reason,
        "notes": list(row.notes),
        "params_m": figure_json(row.params_m),
        "macs_g": figure_json(row.macs_g),
        "top1_pct": figure_json(row.top1_pct),
        "n": row.n,
        "n_expected": row.n_expected,
        "interval": row.interval and list(row.interval),
        "run_id": row.run_id,
    }
