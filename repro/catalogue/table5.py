"""The Top-1 that the paper's ablation study prints, by row."""

from __future__ import annotations

from collections.abc import Mapping

from repro.catalogue.papers import load_papers


def printed_top1() -> Mapping[str, float]:
    """In percent, by row of Table 5."""
    (grid,) = (
        grid
        for paper in load_papers().values()
        for grid in paper.get("grid", ())
        if grid["where"] == "Table 5"
    )
    place = 1 + grid["columns"].index("top1_pct")
    return {row[0]: float(row[place]) for row in grid["rows"]}
