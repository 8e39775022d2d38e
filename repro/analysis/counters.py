"""Counters of MACs side by side, each with the sources whose printed number its count rounds to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from repro.catalogue.claims import Source
from repro.catalogue.counters import load_other_counts
from repro.results.record import Complexity


@dataclass(frozen=True, slots=True)
class CounterRow:
    """A counter's number, which sources print just that, and what it skips (operator: how often)."""

    counter: str
    macs_g: Decimal
    agrees_with: tuple[str, ...]
    skipped: Mapping[str, int]
    counted_here: bool


@dataclass(frozen=True, slots=True)
class PrintedMacs:
    """A source's number for the model; `superseded` says why a later version prints another."""

    source: str
    macs_g: Decimal
    superseded: str


@dataclass(frozen=True, slots=True)
class ByCounter:
    """All counts of a model, and the printed numbers that none of them gives."""

    model: str
    label: str
    rows: tuple[CounterRow, ...]
    unexplained: tuple[PrintedMacs, ...]


def lay_by_counter(model: str, label: str, complexity: Complexity, sources: Sequence[Source]) -> ByCounter:
    printed = tuple(_printed(model, sources))
    rows = (
        *(
            _row(count.counter, Decimal(count.macs) / 10**9, printed, count.skipped, counted_here=True)
            for count in complexity.macs.values()
        ),
        *(
            _row(counter, macs_g, printed, {}, counted_here=False)
            for counter, macs_g in load_other_counts().get(model, {}).items()
        ),
    )
    explained = {source for row in rows for source in row.agrees_with}
    return ByCounter(model, label, rows, tuple(p for p in printed if p.source not in explained))


def _printed(model: str, sources: Iterable[Source]) -> Iterable[PrintedMacs]:
    """What the sources print themselves, not what they borrow from each other."""
    for source in sources:
        row = source.rows.get(model)
        claim = row.claims.get("macs_g") if row else None
        if row and claim and claim.source.partition(",")[0] == source.key:
            yield PrintedMacs(source.key, claim.printed, row.superseded.get("macs_g", ""))


def _row(
    counter: str,
    macs_g: Decimal,
    printed: Iterable[PrintedMacs],
    skipped: Mapping[str, int],
    *,
    counted_here: bool,
) -> CounterRow:
    agreeing = (p.source for p in printed if macs_g.quantize(p.macs_g, ROUND_HALF_UP) == p.macs_g)
    return CounterRow(counter, macs_g, tuple(agreeing), skipped, counted_here)
