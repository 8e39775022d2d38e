"""The report of the study of sizes in context: tables and raw csv."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from io import BytesIO, StringIO
from typing import TYPE_CHECKING

from repro.analysis.size_in_context import ADDED, QUESTIONS, Answered, Cell, SizeStudyResult
from repro.reporting.figures import points_interval
from repro.reporting.picture import STYLE
from repro.reporting.table import Column, Group, Table

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

WRITTEN_BY = "Written by `repro study size-in-context`; do not edit."

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
_DRAWN = (*(question for question in QUESTIONS if question != ADDED), "surroundings alone", "object alone")
"""Conditions of the picture, from the top; chance is the same in all of them."""


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
            f"{one.first} minus {one.second}",
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


def draw_answers(result: SizeStudyResult, scenes: Mapping[str, NDArray[np.uint8]]) -> bytes:
    """A PNG: a scene of each class, `(h, w, 3)` by its name; below, each model's share of right answers."""
    import matplotlib.style
    from matplotlib.figure import Figure

    with matplotlib.style.context(["default", STYLE]):
        figure = Figure(figsize=(8, 7), layout="constrained")
        places = figure.subplot_mosaic([list(scenes), ["shares"] * len(scenes)], height_ratios=(1, 1.4))
        for name, pixels in scenes.items():
            places[name].imshow(pixels, interpolation="nearest")
            places[name].set_title(name)
            places[name].set_axis_off()
        _draw_shares(places["shares"], result, 1 / len(scenes))
        data = BytesIO()
        figure.savefig(data, format="png", dpi=150, metadata={"Software": WRITTEN_BY})
    return data.getvalue()


def _draw_shares(axes: Axes, result: SizeStudyResult, chance: float) -> None:
    """A row a condition, a point a model, with its interval."""
    conditions = [condition for condition in reversed(_DRAWN) if condition in result.cells]
    for row, condition in enumerate(conditions):
        for n, ((model, cell), colour) in enumerate(
            zip(result.cells[condition].items(), _COLOURS, strict=False)
        ):
            place = row + 0.24 - 0.16 * n
            if cell.interval:
                axes.plot([100 * end for end in cell.interval], [place, place], color=colour, linewidth=1.5)
            axes.plot(100 * cell.accuracy, place, "o", color=colour, label="" if row else model)
    axes.axvline(100 * chance, color="#999999", linewidth=0.8)
    axes.set_yticks(range(len(conditions)), conditions)
    axes.set_xlabel("right answers (%), mean over seeds and its 95% interval; the line is chance")
    axes.legend(loc="lower right")


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
