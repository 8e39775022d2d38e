"""MACs by counters that this tool does not call: measured once, or as another project states them."""

from __future__ import annotations

from decimal import Decimal
from functools import cache

from repro.catalogue.csv_files import csv_rows


@cache
def load_other_counts() -> dict[str, dict[str, Decimal]]:
    """Billions by model and counter: `{"poolformer_s24": {"DeepSpeed 0.19.8": Decimal("3.392"), …}, …}`"""
    found: dict[str, dict[str, Decimal]] = {}
    for row in csv_rows("macs_by_counter.csv"):
        found.setdefault(row["model"], {})[row["counter"]] = Decimal(row["macs_g"])
    return found
