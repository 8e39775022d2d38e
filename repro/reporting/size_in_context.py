"""The report of the study of sizes in context: tables and raw csv."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from io import StringIO

from repro.analysis.size_in_context import Answered, Cell, SizeStudyResult
from repro.reporting.figures import points_interval
from repro.reporting.table import Column, Group, Table


def answers_table(result: SizeStudyResult) -> Table:
    """The share of right answers, by condition and model."""
    models = list(dict.fromkeys(model for by_model in result.cells.values() for model in by_model))
    groups: dict[str, list[tuple[str, ...]]] = {}
    for condition, by_model in result.cells.items():
        kind, colon, name = condition.partition(": ")
        heading = f"{kind} probe, on test" if colon else ""
        row = (name if colon else condition, *(_told(by_model.get(model)) for model in models))
        groups.setdefault(heading, []).append(row)
    return Table(
        title="Right answers (%), mean over seeds and its 95% interval",
        columns=(Column("Condition"), *(Column(model, "right") for model in models)),
        groups=tuple(Group(heading, tuple(rows)) for heading, rows in groups.items()),
        notes=(
            "test: new scenes; sizes: sizes in metres that training left out; scenes: colours that it left "
            "out; object alone: no surroundings, at chance by construction (33.3); surroundings alone: no "
            "object. Surroundings of another: 1 and 2 are of other classes, 3 of the same.",
        ),
    )


def compared_table(result: SizeStudyResult) -> Table:
    """Every two models on what was held out."""
    rows = tuple(
        (
            one.condition,
            f"{one.first} less {one.second}",
            f"{100 * one.difference:+.2f}",
            points_interval(one.interval),
            str(one.order),
        )
        for one in result.compared
    )
    return Table(
        title="Does a longer reach help to judge size from the surroundings?",
        columns=(
            Column("Held out"),
            Column("Models"),
            Column("Difference (points)", "right"),
            Column("95%, together", "right"),
            Column("Verdict"),
        ),
        groups=(Group("", rows),),
    )


def answers_csv(answered: Sequence[Answered]) -> bytes:
    """A line a model, seed and condition."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["model", "seed", "condition", "n_right", "n"])
    writer.writerows([one.model, one.seed, one.condition, one.n_right, one.n] for one in answered)
    return text.getvalue().encode()


def _told(cell: Cell | None) -> str:
    if cell is None:
        return ""
    if cell.interval is None:
        return f"{100 * cell.accuracy:.1f}"
    return f"{100 * cell.accuracy:.1f} ({100 * cell.interval[0]:.1f}–{100 * cell.interval[1]:.1f})"
