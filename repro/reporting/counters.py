"""MACs by counter as a table: who counts what, what each skips, which version of the paper it agrees with."""

from __future__ import annotations

from collections.abc import Sequence

from repro.analysis.counters import ByCounter, CounterRow, PrintedMacs
from repro.reporting.table import Column, Group, Table


def by_counter_table(models: Sequence[ByCounter]) -> Table:
    return Table(
        title="MACs by counter, and the sources that print what each gives",
        columns=(
            Column("Counter"),
            Column("MACs (G)", "right"),
            Column("Agrees with"),
            Column("Note", "right", footnotes=True),
        ),
        groups=tuple(
            Group(
                model.label,
                (*(_counter_cells(row) for row in model.rows), *map(_printed_cells, model.unexplained)),
            )
            for model in models
        ),
        notes=(
            "Those that count here give pooling 0: by them PoolFormer's token mixer costs nothing.",
            "A counter agrees with a source when its count, rounded, is the printed number. "
            "Sources: see `repro claims`.",
        ),
        grouped_by="Model",
    )


def _counter_cells(row: CounterRow) -> tuple[str, ...]:
    if row.counted_here:
        skipped = ", ".join(f"{n} {operator}" for operator, n in row.skipped.items())
        note = f"skips {skipped}" if skipped else "skips nothing"
    else:
        note = "not counted here: measured once, or as stated by others"
    return row.counter, f"{row.macs_g:.3f}", ", ".join(row.agrees_with) or "none", note


def _printed_cells(printed: PrintedMacs) -> tuple[str, ...]:
    note = printed.superseded or "no counter tried gives it"
    return f"printed by {printed.source}", f"{printed.macs_g:f}", "no counter tried", note
