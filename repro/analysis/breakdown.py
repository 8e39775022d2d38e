"""A network's counts, part by part and operator by operator; the lines add up to the whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import groupby

from repro.results.breakdowns import Breakdown


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a network; `macs` are by counter."""

    name: str
    params: int
    macs: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class OperatorRow:
    """An operator as a counter names it; `macs` and `runs` are None where the counter gives none."""

    operator: str
    macs: int | None
    runs: int | None


def parts_of(breakdown: Breakdown) -> list[Part]:
    """The parts that count anything, in the order of the network; neighbours that are alike are one line."""
    macs = {counter: Counter[str]() for counter in breakdown.operators}
    for counter, counts in breakdown.operators.items():
        for count in counts:
            macs[counter][count.part] += count.macs or 0
    parts = [
        Part(name, params, {counter: found[name] for counter, found in macs.items()})
        for name, params in breakdown.params.items()
    ]
    counting = [part for part in parts if part.params or any(part.macs.values())]
    alike = groupby(counting, key=lambda part: (part.name.partition(".")[0], part.params, part.macs))
    return [_together(list(group)) for _, group in alike]


def whole_of(parts: list[Part]) -> Part:
    counters = parts[0].macs if parts else {}
    macs = {counter: sum(part.macs[counter] for part in parts) for counter in counters}
    return Part("whole", sum(part.params for part in parts), macs)


def operators_of(breakdown: Breakdown, counter: str) -> list[OperatorRow]:
    """The operators that `counter` counts, the costliest first, then those it skips, the most run first."""
    macs: Counter[str] = Counter()
    runs: Counter[str] = Counter()
    skipped, unsaid = set(), set()
    for count in breakdown.operators[counter]:
        macs[count.operator] += count.macs or 0
        runs[count.operator] += count.runs or 0
        skipped |= {count.operator} if count.macs is None else set()
        unsaid |= {count.operator} if count.runs is None else set()
    rows = [
        OperatorRow(
            operator, None if operator in skipped else n, None if operator in unsaid else runs[operator]
        )
        for operator, n in macs.items()
    ]
    return sorted(rows, key=lambda row: (row.macs is None, -(row.macs or 0), -(row.runs or 0), row.operator))


def _together(parts: list[Part]) -> Part:
    """Parts that are alike as one, with what all of them count."""
    if len(parts) == 1:
        return parts[0]
    first, last = parts[0].name, parts[-1].name
    return replace(whole_of(parts), name=f"{first} to {last} ({len(parts)} alike)")
