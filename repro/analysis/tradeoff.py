"""Accuracy against cost: the points that a comparison gives, and the Pareto front of the printed ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from repro.analysis.compare import ComparedRow, Comparison
from repro.analysis.verdict import Figure, Verdict
from repro.exceptions import UsageError

Against = Literal["macs", "params"]

AGAINST: tuple[Against, ...] = ("macs", "params")

COST_NAMES: dict[Against, str] = {"macs": "MACs (G)", "params": "Parameters (M)"}


@dataclass(frozen=True, slots=True)
class Point:
    """A model at its cost (G or M) and its Top-1 in percent; `row` has all the rest of it."""

    row: ComparedRow
    cost: Decimal
    top1_pct: Decimal


@dataclass(frozen=True, slots=True)
class Tradeoff:
    """What a picture shows of a comparison.

    `front` are the printed points that no other one beats, cheapest first. `left_out` says by label why
    a run or a row has no point, `notes` what is to be known of those that have one.
    """

    comparison: Comparison
    against: Against
    printed: tuple[Point, ...]
    measured: tuple[Point, ...]
    front: tuple[Point, ...]
    left_out: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def origin(self) -> str:
        """Where the printed points come from."""
        return "published by timm" if self.comparison.protocol_name == "timm" else "printed"

    @property
    def mixers(self) -> tuple[str, ...]:
        """The token mixers that have a point, in the order of the comparison's groups."""
        return tuple(dict.fromkeys(point.row.token_mixer for point in (*self.printed, *self.measured)))


def lay_tradeoff(comparison: Comparison, against: Against) -> Tradeoff:
    """Printed accuracy stands at the printed cost, measured accuracy at the counted one.

    Only runs that may be compared are measured points: of the whole set, under the right protocol.

    Raises:
        UsageError: not one point.
    """
    printed = [
        Point(row, cost.printed, row.top1_pct.printed)
        for row in comparison.rows
        if (cost := _cost(row, against)).printed is not None and row.top1_pct.printed is not None
    ]
    measured = [
        Point(row, cost.measured, row.top1_pct.measured)
        for row in comparison.rows
        if _may_be_drawn(row)
        and (cost := _cost(row, against)).measured is not None
        and row.top1_pct.measured is not None
    ]
    if not (printed or measured):
        raise UsageError(
            f"nothing to draw: table {comparison.table.name} has no {COST_NAMES[against]} with a Top-1",
            hint="repro plot --table paper",
        )
    return Tradeoff(
        comparison,
        against,
        tuple(printed),
        tuple(measured),
        tuple(pareto_front(printed)),
        tuple(_left_out(comparison.rows, against)),
        tuple(_notes(printed, measured, against)),
    )


def pareto_front(points: Sequence[Point]) -> list[Point]:
    """The points that are more accurate than all that cost no more; cheapest first."""
    front: list[Point] = []
    for point in sorted(points, key=lambda point: (point.cost, -point.top1_pct)):
        if not front or point.top1_pct > front[-1].top1_pct:
            front.append(point)
    return front


def _cost(row: ComparedRow, against: Against) -> Figure:
    return row.macs_g if against == "macs" else row.params_m


def _may_be_drawn(row: ComparedRow) -> bool:
    return row.top1_pct.verdict not in (Verdict.NOT_RUN, Verdict.NOT_COMPARABLE, Verdict.INVALID)


def _left_out(rows: Iterable[ComparedRow], against: Against) -> Iterator[str]:
    name = COST_NAMES[against]
    for row in rows:
        cost = _cost(row, against)
        if row.run_id and not _may_be_drawn(row):
            yield f"{row.label}, measured: {row.top1_pct.verdict}, {row.top1_pct.reason}"
        elif row.run_id and cost.measured is None:
            yield f"{row.label}, measured: its {name} are not counted"
        if row.top1_pct.printed is not None and cost.printed is None:
            yield f"{row.label}, printed: its {name} are not printed, or not known"


def _notes(printed: Iterable[Point], measured: Iterable[Point], against: Against) -> Iterator[str]:
    name = COST_NAMES[against].partition(" ")[0]
    for point in printed:
        if (figure := _cost(point.row, against)).verdict is Verdict.SUPERSEDED:
            yield f"{point.row.label}, {name} {figure.printed:f}: {figure.reason}"
    for point in measured:
        if (figure := _cost(point.row, against)).verdict is Verdict.NOT_COMPARABLE:
            yield f"{point.row.label}, {name} {figure.measured:.3f}: {figure.reason}"
        if point.row.verdict is Verdict.DIFFERENT and point.row.reason != point.row.top1_pct.reason:
            yield f"{point.row.label}, measured: {point.row.reason}"
