"""The catalogue's tables of facts: CSV files beside this one; a line that begins with # is a comment."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from importlib.resources import files


def csv_rows(name: str) -> Iterator[dict[str, str]]:
    """The rows of the file `name`, by column."""
    text = files("repro.catalogue").joinpath(name).read_text(encoding="utf-8")
    yield from csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
