"""A training as a table: a row for each epoch that was evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from repro.reporting.figures import percent_interval
from repro.reporting.table import Column, Group, Table


def training_table(record: Mapping[str, Any]) -> Table:
    """Loss, accuracy and time of the epochs in a training's record."""
    from repro.analysis.statistics import wilson_interval

    rows = []
    for row in record["log"]:
        if row["top1"] is None:
            continue
        interval = wilson_interval(round(row["top1"] * row["n_held_out"]), row["n_held_out"])
        rows.append(
            (
                str(row["epoch"]),
                "not finite" if row["loss"] is None else f"{row['loss']:.4f}",
                f"{100 * row['top1']:.2f}",
                percent_interval(interval),
                "" if row["top5"] is None else f"{100 * row['top5']:.2f}",
                f"{row['images_per_second']:.0f}",
            )
        )
    notes = [f"{record['n_held_out']:,} images held out; {record['seconds']:.0f} s of training in all."]
    if record["diverged"]:
        notes.append("The loss was no longer finite, and training ended.")
    return Table(
        title=f"{record['recipe']['name']}, seed {record['seed']}",
        columns=(
            Column("Epoch", "right"),
            Column("Loss", "right"),
            Column("Top-1 (%)", "right"),
            Column("95% interval", "right"),
            Column("Top-5 (%)", "right", drop=2),
            Column("Images/s", "right", drop=1),
        ),
        groups=(Group("", tuple(rows)),),
        notes=tuple(notes),
    )
