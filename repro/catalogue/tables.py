"""The printed tables: rows of claims, in the order and with the digits of their source."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any

from repro.exceptions import UsageError
from repro.specs import Claim

QUANTITIES = ("params_m", "macs_g", "top1_pct")


@dataclass(frozen=True, slots=True)
class PrintedRow:
    """A model's row: its name in the source, and a claim for each quantity.

    `superseded` says, by quantity, why the source's own later version prints another number.
    """

    model: str
    label: str
    image_size_px: int
    claims: Mapping[str, Claim]
    superseded: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PrintedTable:
    """A table of a source; `macs_counter` is the convention its MACs follow."""

    name: str
    caption: str
    source: str
    macs_counter: str
    rows: tuple[PrintedRow, ...]


@cache
def load_tables() -> dict[str, PrintedTable]:
    """Every printed table by name: `paper`, `slide12`, `slide19`."""
    folder = files("repro.catalogue.papers")
    sources = sorted((f for f in folder.iterdir() if f.name.endswith(".toml")), key=lambda f: f.name)
    tables = (t for f in sources for t in _tables(tomllib.loads(f.read_text(encoding="utf-8"))))
    return {table.name: table for table in tables}


def find_table(name: str) -> PrintedTable:
    """The table called `name`.

    Raises:
        UsageError: there is none; the message lists them.
    """
    tables = load_tables()
    if name not in tables:
        raise UsageError(f"unknown table {name!r}; there are {', '.join(sorted(tables))}")
    return tables[name]


def _tables(paper: Mapping[str, Any]) -> Iterator[PrintedTable]:
    for table in paper["table"]:
        source = f"{paper['key']}, {table['caption'].partition(':')[0]}"
        yield PrintedTable(
            name=table["name"],
            caption=table["caption"],
            source=f"{paper['title']} ({paper['authors']}; {paper['version']})",
            macs_counter=paper["macs_counter"],
            rows=tuple(_row(row, source) for row in table["row"]),
        )


def _row(row: Mapping[str, Any], source: str) -> PrintedRow:
    claims = {q: Claim(row["model"], q, Decimal(row[q]), source) for q in QUANTITIES}
    return PrintedRow(row["model"], row["label"], row["image_size_px"], claims, row.get("superseded", {}))
