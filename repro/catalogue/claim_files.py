"""The claims of every source, read from its TOML file; whatever is wrong there is told with file and entry.

A source's file has a head (`key`, `title`, `authors`, `version`, `macs_counter`) and any of

- `[[table]]`: rows of models; each number is a claim,
- `[[grid]]`: rows of anything else; each cell is a claim that needs training, a study, or another tool,
- `[[claim]]`: a sentence, with the kind of its check.

What a source prints nowhere itself is looked up in the source that it names as `otherwise`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from repro.catalogue.claim_grids import Grid, cells_of_grid, read_grids
from repro.catalogue.claim_kinds import Shelf, read_claim
from repro.catalogue.claims import QUANTITY_WORDS, Source, StatedClaim, ValueClaim
from repro.catalogue.entry import Entry
from repro.catalogue.papers import load_papers
from repro.catalogue.tables import PrintedRow, PrintedTable, build_tables
from repro.exceptions import UsageError
from repro.specs import COUNTERS

KEYS = ("key", "title", "authors", "version", "macs_counter", "otherwise", "model", "table", "grid", "claim")
"""Those of a source's file: its head's, and its arrays."""


@cache
def load_sources() -> tuple[Source, ...]:
    """Every source of the catalogue with its claims."""
    return build_sources(load_papers())


def load_sources_with(path: Path) -> tuple[Source, ...]:
    """The catalogue's sources, and the one in the file at `path`.

    Raises:
        UsageError: the file cannot be read, or says what cannot be meant.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except ValueError as error:  # also tomllib's and Unicode's
        raise UsageError(f"{path}: no TOML: {error}") from error
    return build_sources({**load_papers(), str(path): values})


def build_sources(papers: Mapping[str, Mapping[str, Any]]) -> tuple[Source, ...]:
    """The sources in `papers` (content by file), their rows and claims resolved.

    Raises:
        UsageError: something is missing, doubled or cannot be meant; file and entry are named.
    """
    heads = [Entry(file, "head", values) for file, values in papers.items()]
    by_key: dict[str, Entry] = {}
    for head in heads:
        head.only(*KEYS)
        key = head.text("key")
        if key in by_key:
            raise head.refused(f"'key' is {key!r}, as in {by_key[key].file}")
        by_key[key] = head
    tables = {key: build_tables(head) for key, head in by_key.items()}
    grids = {grid.id: grid for key, head in by_key.items() for grid in read_grids(head, key)}
    sources = tuple(_source(head, by_key, tables, grids) for head in heads)
    _refuse_doubled_ids(heads, sources)
    return sources


def _refuse_doubled_ids(heads: Sequence[Entry], sources: Sequence[Source]) -> None:
    files: dict[str, str] = {}
    for head, source in zip(heads, sources, strict=True):
        for claim in source.claims:
            if (other := files.get(claim.id)) is not None:
                where = "twice" if other == head.file else f"in {other} too"
                raise UsageError(f"{head.file}: claim {claim.id}: its id stands {where}")
            files[claim.id] = head.file


def _source(
    head: Entry,
    heads: Mapping[str, Entry],
    tables: Mapping[str, tuple[PrintedTable, ...]],
    grids: Mapping[str, Grid],
) -> Source:
    key = head.text("key")
    rows = _rows(tables[key])
    if head.has("otherwise"):
        other = _rows(tables[head.choice("otherwise", list(heads))])
        rows = {m: _merged(rows.get(m), other.get(m)) for m in {**other, **rows}}
    by_name = {table.name: table for table in tables[key]}
    shelf = Shelf(key, head.choice("macs_counter", COUNTERS), rows, by_name, grids)
    claims = (
        *(read_claim(entry, shelf) for entry in head.entries("claim", "claim", "id")),
        *(claim for table in tables[key] for claim in _cells_of_table(key, table)),
        *(claim for grid in grids.values() if grid.source == key for claim in cells_of_grid(grid)),
    )
    return Source(key, head.text("title"), head.text("version"), rows, claims)


def _rows(tables: tuple[PrintedTable, ...]) -> dict[str, PrintedRow]:
    """A row a model, of all that the tables print; the first table's number counts."""
    rows: dict[str, PrintedRow] = {}
    for table in tables:
        for row in table.rows:
            rows[row.model] = _merged(rows.get(row.model), row)
    return rows


def _merged(first: PrintedRow | None, second: PrintedRow | None) -> PrintedRow:
    """The numbers of `first`, and those of `second` that it neither has nor leaves unknown."""
    if first is None or second is None:
        (row,) = filter(None, (first, second))
        return row
    own = {*first.claims, *first.unknown}
    more = {q: claim for q, claim in second.claims.items() if q not in own}
    superseded = {q: why for q, why in second.superseded.items() if q not in own}
    return replace(first, claims={**first.claims, **more}, superseded={**superseded, **first.superseded})


def _cells_of_table(source: str, table: PrintedTable) -> Iterator[StatedClaim]:
    for row in table.rows:
        for quantity, claim in row.claims.items():
            word, name, unit = QUANTITY_WORDS[quantity]
            yield ValueClaim(
                id=f"{source}-{table.short}-{row.model}-{word}",
                says=f"{row.label}: {name} {claim.printed} {unit}",
                source=source,
                where=table.place,
                row=row,
                quantity=quantity,
                macs_counter=table.macs_counter,
            )
