"""The reports that need no run: tables, ledger of claims, pictures; the same bytes each time."""

from __future__ import annotations

from collections.abc import Iterator

from repro.analysis.compare import Comparison, compare_table
from repro.analysis.ledger import build_ledger
from repro.analysis.measured import catalogue_counts
from repro.analysis.tradeoff import AGAINST, lay_tradeoff
from repro.catalogue.claim_files import load_sources
from repro.catalogue.tables import find_table
from repro.reporting.comparison import printed_table
from repro.reporting.ledger import ledger_table
from repro.reporting.picture import draw_png, draw_svg
from repro.reporting.table import Table, to_markdown

TABLES = {
    "paper": "paper-table.md",
    "slide12": "slide12.md",
    "slide19": "slide19.md",
    "baselines": "baselines.md",
}

MADE_BY = "make reports"


def build_reports() -> Iterator[tuple[str, bytes]]:
    """Names of files, and what stands in them."""
    for table, name in TABLES.items():
        yield name, _markdown("What is printed, and what is counted", printed_table(_compared(table)))
    ledger = build_ledger(load_sources(), [], catalogue_counts())
    yield "claims.md", _markdown("The claims", ledger_table(ledger))
    for against in AGAINST:
        tradeoff = lay_tradeoff(_compared("paper"), against)
        yield f"accuracy-against-{against}.svg", draw_svg(tradeoff, MADE_BY)
        yield f"accuracy-against-{against}.png", draw_png(tradeoff, MADE_BY)


def _compared(table: str) -> Comparison:
    return compare_table(find_table(table), [], catalogue_counts(), "authors")


def _markdown(heading: str, table: Table) -> bytes:
    made = f"Written by `{MADE_BY}` from the catalogue; do not edit. No run stands behind it."
    return f"# {heading}\n\n{made}\n\n{to_markdown(table)}".encode()
