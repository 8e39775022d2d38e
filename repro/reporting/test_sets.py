"""The comparison on other test sets as a table for people, and as JSON with the raw numbers."""

from __future__ import annotations

from typing import Any

from repro.analysis.test_sets import PROTOCOL_NAME, ComparedSet, SetComparison, SetRow
from repro.analysis.verdict import MATCHES, REPRODUCED_POINTS, SAME_POINTS, Verdict
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


def sets_table(comparison: SetComparison) -> Table:
    """A group a set, as five columns a set fit on no page; CSV has the set in a column of its own."""
    return Table(
        title=f"Other test sets, protocol {PROTOCOL_NAME}",
        columns=(
            Column("Model"),
            Column("Top-1 (%) timm", "right"),
            Column("Top-1 (%) measured", "right"),
            Column("95% interval", "right", drop=1),
            Column("n", "right"),
            Column("Differs (points)", "right"),
            Column("Verdict", colours=COLOURS),
            Column("Top-5 (%) timm", "right", drop=2),
            Column("Top-5 (%) measured", "right", drop=2),
            Column("Differs (points)", "right", drop=2),
            Column("Note", "right", footnotes=True),
        ),
        groups=tuple(
            Group(_heading(compared.test_set), tuple(_cells(row) for row in compared.rows))
            for compared in comparison.sets
        ),
        notes=tuple(_notes(comparison)),
        grouped_by="Test set",
    )


def sets_json(comparison: SetComparison) -> dict[str, Any]:
    """A row a model with its figures on every set; numbers as in the JSON of a printed table."""
    by_model: dict[str, dict[str, Any]] = {}
    for compared in comparison.sets:
        for row in compared.rows:
            known: dict[str, Any] = {"model": row.model, "label": row.label, "tag": row.tag, "test_sets": {}}
            found = by_model.setdefault(row.model, known)["test_sets"]
            found[compared.test_set.name] = _row_json(row, compared.test_set)
    return {
        "table": "test-sets",
        "protocol": PROTOCOL_NAME,
        "counts": {str(verdict): n for verdict, n in comparison.counts.items()},
        "test_sets": [_set_json(compared) for compared in comparison.sets],
        "rows": list(by_model.values()),
    }


def _heading(test_set: TestSet) -> str:
    """`ImageNet-A, 7,500 images, arg-max over its 200 classes`"""
    if test_set.relabels:
        return f"{test_set.title}, the {test_set.n_images:,} images of {test_set.relabels} that it labels"
    choices = f"its {test_set.n_classes}" if test_set.classes else f"all {test_set.n_classes}"
    return f"{test_set.title}, {test_set.n_images:,} images, arg-max over {choices} classes"


def _cells(row: SetRow) -> tuple[str, ...]:
    return (
        row.label,
        printed_text(row.top1_pct.printed),
        rounded_text(row.top1_pct.measured),
        percent_interval(row.interval),
        "" if row.n is None else str(row.n),
        signed_text(row.top1_pct.difference),
        str(row.verdict),
        printed_text(row.top5_pct.printed),
        rounded_text(row.top5_pct.measured),
        signed_text(row.top5_pct.difference),
        _remark(row),
    )


def _remark(row: SetRow) -> str:
    """What the numbers of a row do not say themselves."""
    if row.verdict in (Verdict.NOT_COMPARABLE, Verdict.INVALID) or not row.runnable:
        return row.top1_pct.reason
    if row.verdict in MATCHES and row.top5_pct.verdict is Verdict.DIFFERENT:
        return f"Top-5 is {row.top5_pct.reason}"
    return ""


def _notes(comparison: SetComparison) -> list[str]:
    notes = [
        comparison.statement,
        f"SAME: Top-1 within {SAME_POINTS} points of the nearest value that rounds to the published one; "
        f"REPRODUCED: within {REPRODUCED_POINTS}. Only runs on a whole set under protocol {PROTOCOL_NAME} "
        "are judged.",
        "Top-1 (%) timm, Top-5 (%) timm: what timm publishes for its checkpoints.",
        *(f"{compared.test_set.title}: {compared.test_set.paper}." for compared in comparison.sets),
    ]
    rows = [row for compared in comparison.sets for row in compared.rows]
    if any(row.verdict is Verdict.NOT_RUN and row.runnable for row in rows):
        notes.append("NOT RUN without a note: can be run, and was not.")
    return notes


def _set_json(compared: ComparedSet) -> dict[str, Any]:
    test_set = compared.test_set
    return {
        "name": test_set.name,
        "title": test_set.title,
        "paper": test_set.paper,
        "n_images": test_set.n_images,
        "n_classes": test_set.n_classes,
    }


def _row_json(row: SetRow, test_set: TestSet) -> dict[str, Any]:
    return {
        "verdict": str(row.verdict),
        "reason": row.top1_pct.reason,
        "top1_pct": figure_json(row.top1_pct),
        "top5_pct": figure_json(row.top5_pct),
        "n": row.n,
        "n_expected": test_set.n_images,
        "interval": row.interval and list(row.interval),
        "run_id": row.run_id,
    }
