"""The printed tables: rows of claims, in the order and with the digits of their source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache

from repro.catalogue.entry import Entry
from repro.catalogue.papers import load_papers
from repro.exceptions import UsageError
from repro.specs import COUNTERS, Claim

QUANTITIES = ("params_m", "macs_g", "top1_pct")

UNKNOWN = "?"
"""Stands for a figure that a source printed and nobody here has seen."""


@dataclass(frozen=True, slots=True)
class PrintedRow:
    """A model's row: its name in the source, and a claim for each quantity that the source prints.

    `superseded` says, by quantity, why the source's own later version prints another number.
    """

    model: str
    label: str
    image_size_px: int | None
    claims: Mapping[str, Claim]
    superseded: Mapping[str, str]
    unknown: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class PrintedTable:
    """A table of a source; `macs_counter` is the convention of its MACs, `short` stands in ids of claims."""

    name: str
    caption: str
    source: str
    macs_counter: str
    rows: tuple[PrintedRow, ...]
    short: str = ""

    @property
    def place(self) -> str:
        """`Table 2` of `Table 2: ImageNet-1K classification`."""
        return self.caption.partition(":")[0]


@cache
def load_tables() -> dict[str, PrintedTable]:
    """Every printed table by name: `paper`, `slide12`, `slide19`, `baselines`, …"""
    return {
        table.name: table
        for file, values in load_papers().items()
        for table in build_tables(Entry(file, "head", values))
    }


def find_table(name: str, *others: str) -> PrintedTable:
    """The table called `name`; `others` are names that whoever asks knows besides.

    Raises:
        UsageError: there is none; the message lists them.
    """
    tables = load_tables()
    if name not in tables:
        raise UsageError(f"unknown table {name!r}; there are {', '.join((*sorted(tables), *others))}")
    return tables[name]


def build_tables(head: Entry) -> tuple[PrintedTable, ...]:
    """The tables of a source's file.

    Raises:
        UsageError: something is missing or cannot be meant; file and entry are named.
    """
    return tuple(_table(head, table) for table in head.entries("table", "table", "name"))


def _table(head: Entry, table: Entry) -> PrintedTable:
    table.only("name", "short", "caption", "row")
    name, caption = table.text("name"), table.text("caption")
    source = f"{head.text('key')}, {caption.partition(':')[0]}"
    return PrintedTable(
        name=name,
        caption=caption,
        source=f"{head.text('title')} ({head.text('authors')}; {head.text('version')})",
        macs_counter=head.choice("macs_counter", COUNTERS),
        rows=tuple(_row(row, source) for row in table.entries("row", f"table {name}, row", "model")),
        short=table.text("short", name),
    )


def _row(row: Entry, source: str) -> PrintedRow:
    row.only("model", "label", "image_size_px", *QUANTITIES, "superseded")
    size_px = row.whole_number("image_size_px")
    printed = [quantity for quantity in QUANTITIES if row.has(quantity)]
    if not printed:
        raise row.refused(f"it prints none of {', '.join(QUANTITIES)}")
    unknown = frozenset(quantity for quantity in printed if row.text(quantity) == UNKNOWN)
    model = row.model("model")
    superseded = row.mapping("superseded")
    Entry(row.file, f"{row.name}, superseded", superseded).only(*QUANTITIES)
    claims = {q: Claim(model, q, _positive(row, q), source) for q in printed if q not in unknown}
    return PrintedRow(model, row.text("label"), size_px, claims, superseded, unknown)


def _positive(row: Entry, quantity: str) -> Decimal:
    number = row.number(quantity)
    if number <= 0:
        raise row.refused(f"{quantity!r} is {number:f}, and has to be positive")
    return number
