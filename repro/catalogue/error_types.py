"""How others sorted the errors of models of the catalogue (error_types_published.csv)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from repro.catalogue.csv_files import csv_rows

SOURCE = "Peychev et al. 2023"

N_IMAGES = 18_692
"""The validation images that they sorted errors of: those whose multi-labels are unproblematic."""


@dataclass(frozen=True, slots=True)
class ErrorTypes:
    """`counts` by type, in the source's order of asking; they add up to `n_errors`."""

    n_errors: int
    counts: Mapping[str, int]


@cache
def load_error_types() -> Mapping[str, ErrorTypes]:
    """The published counts by model of the catalogue."""
    return {row.pop("model"): _types(row) for row in csv_rows("error_types_published.csv")}


def _types(row: dict[str, str]) -> ErrorTypes:
    n_errors = int(row.pop("errors"))
    return ErrorTypes(n_errors, {name.replace("_", " "): int(n) for name, n in row.items()})
