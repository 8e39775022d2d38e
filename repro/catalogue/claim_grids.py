"""Printed tables whose rows are no models of the catalogue: every cell is a claim, settled or open."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from repro.catalogue.claims import (
    NEEDS,
    QUANTITY_WORDS,
    CountedClaim,
    Heading,
    Need,
    OpenClaim,
    StatedClaim,
    ValueClaim,
)
from repro.catalogue.entry import Entry
from repro.catalogue.models import find_model
from repro.catalogue.tables import PrintedRow
from repro.specs import COUNTERS, Claim, ModelSpec


@dataclass(frozen=True, slots=True)
class Grid:
    """By row and column what is printed, as text; `needs` is what its cells would take.

    `models` are those rows that are models of the catalogue after all; `counted` has counts of ours, in
    units, of rows whose network is none of theirs but could be built.
    """

    id: str
    source: str
    where: str
    needs: Need
    why: str
    rows: Mapping[str, Mapping[str, str]]
    models: Mapping[str, ModelSpec]
    counted: Mapping[str, Mapping[str, int]]
    macs_counter: str
    entry: Entry

    def cell(self, row: str, column: str) -> str | None:
        return self.rows.get(row, {}).get(column)


def read_grids(head: Entry, source: str) -> Iterator[Grid]:
    """The grids of a source's file; an empty cell prints nothing.

    Raises:
        UsageError: something is missing, doubled or cannot be meant; file and entry are named.
    """
    seen: set[str] = set()
    for entry in head.entries("grid", "grid", "id"):
        entry.only("id", "where", "needs", "why", "columns", "rows", "models", "counted")
        columns = _texts(entry, "columns", entry.values.get("columns"))
        rows = entry.values.get("rows")
        if not isinstance(rows, list) or not rows:
            raise entry.refused("'rows' is missing or empty")
        texts = [_texts(entry, f"row {place}", row, len(columns) + 1) for place, row in enumerate(rows, 1)]
        names = [name for name, *_ in texts]
        for what, found in {"column": columns, "row": names, "grid": [*seen, entry.text("id")]}.items():
            if doubled := [name for name, n in Counter(found).items() if n > 1]:
                raise entry.refused(f"there are two {what}s {doubled[0]!r}")
        seen.add(entry.text("id"))
        yield Grid(
            id=f"{source}-{entry.text('id')}",
            source=source,
            where=entry.text("where"),
            needs=read_need(entry),
            why=entry.text("why"),
            rows={name: dict(zip(columns, cells, strict=True)) for name, *cells in texts},
            models=_models(entry),
            counted=_counted(entry),
            macs_counter=head.choice("macs_counter", COUNTERS),
            entry=entry,
        )


COUNTED_QUANTITIES = ("params_m", "macs_g")
"""What is counted of a network without its weights."""


def read_need(entry: Entry) -> Need:
    return NEEDS[entry.choice("needs", NEEDS)]


def cells_of_grid(grid: Grid) -> Iterator[StatedClaim]:
    for label, cells in grid.rows.items():
        for column, stated in cells.items():
            if stated:
                yield _cell(grid, label, column, stated)


def _cell(grid: Grid, label: str, column: str, stated: str) -> StatedClaim:
    word, name, unit = QUANTITY_WORDS.get(column, (_slug(column), column, ""))
    heading: Heading = {
        "id": f"{grid.id}-{_slug(label)}-{word}",
        "says": " ".join(filter(None, (f"{label}:", name, stated, unit))),
        "source": grid.source,
        "where": grid.where,
    }
    if label in grid.models and column in QUANTITY_WORDS:
        return ValueClaim(**heading, row=_row(grid, label), quantity=column, macs_counter=grid.macs_counter)
    if (counted := grid.counted.get(label, {}).get(column)) is None:
        return OpenClaim(**heading, needs=grid.needs, why=grid.why, stated=stated)
    number = grid.entry.as_number(f"{label}, {column}", stated)
    return CountedClaim(**heading, quantity=column, stated=number, counted=counted)


def _row(grid: Grid, label: str) -> PrintedRow:
    """The row as one of a table of models."""
    spec = grid.models[label]
    claims = {
        column: Claim(spec.name, column, grid.entry.as_number(f"{label}, {column}", stated), grid.where)
        for column, stated in grid.rows[label].items()
        if column in QUANTITY_WORDS and stated
    }
    return PrintedRow(spec.name, label, spec.protocols["authors"].size_px, claims, superseded={})


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _texts(entry: Entry, what: str, value: object, n: int | None = None) -> list[str]:
    texts = value if isinstance(value, list) else []
    if not texts or n not in (None, len(texts)) or not all(isinstance(text, str) for text in texts):
        raise entry.refused(f"{what!r} needs {n or 'some'} texts")
    return texts


def _models(entry: Entry) -> Mapping[str, ModelSpec]:
    """By row; a model without a known input size has no place in a table of models."""
    models = Entry(entry.file, f"{entry.name}, models", entry.mapping("models"))
    found = {row: find_model(models.model(row)) for row in models.values}
    for row, spec in found.items():
        if not spec.protocols:
            raise models.refused(f"{row!r}: the input size of {spec.name} is not known")
    return found


def _counted(entry: Entry) -> Mapping[str, Mapping[str, int]]:
    found = entry.values.get("counted", {})
    if not isinstance(found, Mapping):
        raise entry.refused("'counted' is no table")
    for row, counts in found.items():
        if not (isinstance(counts, Mapping) and all(isinstance(n, int) for n in counts.values())):
            raise entry.refused(f"'counted' of {row!r} needs whole numbers by quantity")
        if foreign := sorted(set(counts) - set(COUNTED_QUANTITIES)):
            counted = " and ".join(COUNTED_QUANTITIES)
            raise entry.refused(f"{foreign[0]!r} of {row!r} is not counted; {counted} are")
    return found
