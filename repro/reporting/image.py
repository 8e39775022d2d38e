"""One image as tables: what each model answers, and what is known of the image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from repro.catalogue.classes import class_name
from repro.reporting.table import Column, Group, Table

N_ANSWERS = 5


def answers_table(answers: Mapping[str, Mapping[str, Any]]) -> Table:
    """The best five of each model; `answers` are rows (`results.predictions`) by the name of the model."""
    return Table(
        title="What the models answer",
        columns=(
            Column("Model"),
            Column("Verdict"),
            *(Column(f"{place}.") for place in range(1, N_ANSWERS + 1)),
            Column("p of the true class (%)", "right"),
        ),
        groups=(Group("", tuple(_cells(name, row) for name, row in answers.items())),),
        notes=("Probabilities in percent, where the run tells them.",),
    )


def _cells(name: str, row: Mapping[str, Any]) -> tuple[str, ...]:
    best: Sequence[int] = row["top5"] or ()
    p: Sequence[float] = row["p_top5"] or ()
    listed = [
        f"{class_name(index)} {100 * p[place]:.1f}" if place < len(p) else class_name(index)
        for place, index in enumerate(best)
    ]
    said = "right" if best and best[0] == row["label"] else "wrong"
    p_label = "" if row["p_label"] is None else f"{100 * row['p_label']:.2f}"
    return (name, said if best else row["status"], *(listed + [""] * N_ANSWERS)[:N_ANSWERS], p_label)


def facts_table(facts: Mapping[str, str]) -> Table:
    """What is known of the image, a line each."""
    return Table(
        title="What is known of it",
        columns=(Column("What"), Column("Is")),
        groups=(Group("", tuple(facts.items())),),
    )
