"""The comparison on other test sets as a table for people, and as JSON with the raw numbers."""

from __future__ import annotations

from typing import Any

from repro.analysis.test_sets import PROTOCOL_NAME, SetCell, SetComparison, SetRow
from repro.analysis.verdict import REPRODUCED_POINTS, SAME_POINTS, Verdict
from repro.catalogue.test_sets import TestSet
from repro.reporting.figures import (
    COLOURS,
    figure_json,
    percent_interval,
    printed_text,
    rounded_text,
    signed_text,
)
from repro.reporting.table import Column, Group, Table

SILENT = frozenset({Verdict.NOT_RUN, Verdict.SAME, Verdict.REPRODUCED, Verdict.NOT_PRINTED})
"""Verdicts that the numbers beside them explain."""


def sets_table(comparison: SetComparison) -> Table:
    """A row a model; a set has columns of what was measured where something ran on it."""
    return Table(
        title=f"Other test sets: Top-1 (%), protocol {PROTOCOL_NAME}",
        columns=(
            Column("Model"),
            *(column for test_set in comparison.sets for column in _columns(comparison, test_set)),
            Column("Note", "right", footnotes=True),
        ),
        groups=tuple(
            Group(heading, tuple(_cells(comparison, row) for row in rows))
            for heading, rows in comparison.groups.items()
        ),
        notes=tuple(_notes(comparison)),
        grouped_by="Token mixer",
    )


def sets_json(comparison: SetComparison) -> dict[str, Any]:
    """A row a model with its figures on every set, Top-5 too; numbers as in the JSON of a printed table."""
    return {
        "table": "test-sets",
        "protocol": PROTOCOL_NAME,
        "counts": {str(verdict): n for verdict, n in comparison.counts.items()},
        "test_sets": [_set_json(test_set) for test_set in comparison.sets],
        "rows": [
            {
                "model": row.model,
                "label": row.label,
                "group": row.group,
                "tag": row.tag,
                "test_sets": {s.name: _cell_json(row.cells[s.name], s) for s in comparison.sets},
            }
            for row in comparison.rows
        ],
    }


def _columns(comparison: SetComparison, test_set: TestSet) -> list[Column]:
    """A narrow terminal leaves out n, then differences, verdicts, published figures; notes tell the rest."""
    measured = [
        Column(f"{test_set.short} measured", "right"),
        Column(f"{test_set.short} n", "right", drop=4),
        Column(f"{test_set.short} differs", "right", drop=3),
        Column(f"{test_set.short} verdict", drop=2, colours=COLOURS),
    ]
    published = [Column(f"{test_set.short} timm", "right", drop=1)] if test_set.published else []
    return [*published, *(measured if comparison.has_runs(test_set) else [])]


def _cells(comparison: SetComparison, row: SetRow) -> tuple[str, ...]:
    cells = [row.label]
    for test_set in comparison.sets:
        cell = row.cells[test_set.name]
        measured = [
            rounded_text(cell.top1_pct.measured),
            "" if cell.n is None else str(cell.n),
            signed_text(cell.top1_pct.difference),
            str(cell.verdict) if cell.shown else "",
        ]
        cells += [printed_text(cell.top1_pct.printed)] if test_set.published else []
        cells += measured if comparison.has_runs(test_set) else []
    remarks = (_remark(test_set, row.cells[test_set.name]) for test_set in comparison.sets)
    return (*cells, "; ".join(filter(None, remarks)))


def _remark(test_set: TestSet, cell: SetCell) -> str:
    """`A: NOT COMPARABLE, 100 of 7,500 images, 63 of 200 classes (95% interval 12.11–26.23)`"""
    if cell.verdict in SILENT:
        return ""
    interval = f" (95% interval {percent_interval(cell.interval)})" if cell.interval else ""
    return f"{test_set.short}: {cell.verdict}, {cell.top1_pct.reason}{interval}"


def _notes(comparison: SetComparison) -> list[str]:
    silent = [s.short for s in comparison.sets if not comparison.has_runs(s)]
    return [
        comparison.statement,
        *([f"Nothing ran on: {', '.join(silent)}."] if silent else []),
        "What is measured beside a published figure, without a note, is SAME or REPRODUCED.",
        f"SAME: within {SAME_POINTS} points of the nearest value that rounds to the published one; "
        f"REPRODUCED: within {REPRODUCED_POINTS}. Only runs on the whole of a set under protocol "
        f"{PROTOCOL_NAME} are judged, by what timm publishes for its checkpoints; Top-5 is in JSON.",
        *(_describe(test_set) for test_set in comparison.sets),
    ]


def _describe(test_set: TestSet) -> str:
    """`A: ImageNet-A, 7,500 images, arg-max over its 200 classes; Hendrycks et al., …`"""
    if test_set.relabels:
        what = f"the {test_set.n_images:,} images of {test_set.relabels} that it labels, from the runs there"
    else:
        choices = f"its {test_set.n_classes}" if test_set.classes else f"all {test_set.n_classes}"
        what = f"{test_set.n_images:,} images, arg-max over {choices} classes"
    return f"{test_set.short}: {test_set.title}, {what}; {test_set.paper}."


def _set_json(test_set: TestSet) -> dict[str, Any]:
    return {
        "name": test_set.name,
        "title": test_set.title,
        "paper": test_set.paper,
        "n_images": test_set.n_images,
        "n_classes": test_set.n_classes,
    }


def _cell_json(cell: SetCell, test_set: TestSet) -> dict[str, Any]:
    return {
        "verdict": str(cell.verdict),
        "reason": cell.top1_pct.reason,
        "top1_pct": figure_json(cell.top1_pct),
        "top5_pct": figure_json(cell.top5_pct),
        "n": cell.n,
        "n_expected": test_set.n_images,
        "interval": cell.interval and list(cell.interval),
        "run_id": cell.run_id,
    }
