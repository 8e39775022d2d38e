"""MACs by stage and by operator as tables, in whole numbers, so that a reader can add them up."""

from __future__ import annotations

from collections.abc import Mapping

from repro.analysis.breakdown import OperatorRow, Part, operators_of, parts_of, whole_of
from repro.reporting.table import Column, Group, Table
from repro.results.breakdowns import Breakdown
from repro.specs import COUNTERS

SKIPPED = "no rule: counts 0"

POOLING = (
    "Pooling, PoolFormer's token mixer (avg_pool2d), counts 0 in all of them: neither has a rule for it. "
    "What fvcore counts of pooling is the one before the classifier (adaptive_avg_pool2d)."
)


def by_stage_table(breakdowns: Mapping[str, Breakdown]) -> Table:
    """A line a part of each network (by label), then the whole, which is their sum."""
    return Table(
        title="Params and MACs by stage",
        columns=(
            Column("Part"),
            Column("Params", "right"),
            Column("of all (%)", "right", drop=1),
            Column("MACs fvcore", "right"),
            Column("of all (%)", "right"),
            Column("MACs torch", "right", drop=2),
            Column("of all (%)", "right", drop=2),
        ),
        groups=tuple(Group(label, _stage_rows(parts_of(found))) for label, found in breakdowns.items()),
        notes=(
            POOLING,
            "Parts without parameters and MACs are left out.",
            f"Counted by {_versions(breakdowns)}.",
        ),
        grouped_by="Model",
    )


def by_operator_table(breakdowns: Mapping[str, Breakdown]) -> Table:
    """A line an operator, by each counter and with its own name of it, those that it skips last."""
    return Table(
        title="MACs by operator",
        columns=(
            Column("Operator"),
            Column("MACs", "right"),
            Column("of all (%)", "right"),
            Column("Runs", "right"),
            Column("Skipped", colours={SKIPPED: "yellow"}),
        ),
        groups=tuple(
            Group(f"{label}, by {counter}", _operator_rows(operators_of(found, counter)))
            for label, found in breakdowns.items()
            for counter in COUNTERS
            if counter in found.operators
        ),
        notes=(
            POOLING,
            "fvcore does not say how often ran what it counts; "
            "torch sees attention as the products within it.",
            f"Counted by {_versions(breakdowns)}.",
        ),
        grouped_by="Model and counter",
    )


def _stage_rows(parts: list[Part]) -> tuple[tuple[str, ...], ...]:
    whole = whole_of(parts)
    return tuple(
        (
            part.name,
            f"{part.params:,}",
            _share(part.params, whole.params),
            *_macs_cells(part, whole, "fvcore"),
            *_macs_cells(part, whole, "torch"),
        )
        for part in (*parts, whole)
    )


def _macs_cells(part: Part, whole: Part, counter: str) -> tuple[str, str]:
    if counter not in part.macs:
        return "", ""
    return f"{part.macs[counter]:,}", _share(part.macs[counter], whole.macs[counter])


def _operator_rows(operators: list[OperatorRow]) -> tuple[tuple[str, ...], ...]:
    total = sum(row.macs or 0 for row in operators)
    rows = [
        (
            row.operator,
            f"{row.macs or 0:,}",
            "" if row.macs is None else _share(row.macs, total),
            "" if row.runs is None else f"{row.runs:,}",
            SKIPPED if row.macs is None else "",
        )
        for row in operators
    ]
    return (*rows, ("whole", f"{total:,}", _share(total, total), "", ""))


def _share(n: int, whole: int) -> str:
    return f"{100 * n / whole:.2f}" if whole else ""


def _versions(breakdowns: Mapping[str, Breakdown]) -> str:
    return "; ".join(
        sorted({version for found in breakdowns.values() for version in found.versions.values()})
    )
