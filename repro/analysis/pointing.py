"""Whether heat maps point at the objects: their energy in the boxes, and where they peak."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from repro.datasets.boxes import Box
from repro.results.heat_maps import OK


@dataclass(frozen=True, slots=True)
class Pointing:
    """Of `n` maps of one target, on average: share of `energy` in the boxes, and the boxes' of the `area`.

    Without any sense for the object, energy is area. `hits` counts the maps that peak in a box.
    """

    target: str
    n: int
    energy: float
    area: float
    hits: int


def pointing(
    target: str, rows: Sequence[Mapping[str, Any]], boxes: Mapping[str, Sequence[Box]], size_px: int
) -> Pointing | None:
    """Over the rows (`results.heat_maps`) of `target` that are `ok` and whose image has boxes; None: of none.

    `boxes` are those of the crop, of `size_px`, by image id.
    """
    measured = [
        point(np.asarray(row["map"]).reshape(row["side"], row["side"]), boxes[row["image_id"]], size_px)
        for row in rows
        if row["target"] == target and row["status"] == OK and boxes.get(row["image_id"])
    ]
    if not measured:
        return None
    energy, area, hits = zip(*measured, strict=True)
    return Pointing(target, len(measured), float(np.mean(energy)), float(np.mean(area)), sum(hits))


def point(cells: np.ndarray[Any, Any], boxes: Sequence[Box], size_px: int) -> tuple[float, float, bool]:
    """A map's energy in the boxes and their area, as shares of the whole, and whether it peaks there.

    `cells` is `(side, side)`. A cell's energy is spread evenly over its square of the crop.
    """
    side = len(cells)
    inside = _covered(boxes, side, size_px)
    peak_y, peak_x = divmod(int(np.argmax(cells)), side)
    cell_px = size_px / side
    x, y = (peak_x + 0.5) * cell_px, (peak_y + 0.5) * cell_px
    hit = any(box.x_min <= x < box.x_max and box.y_min <= y < box.y_max for box in boxes)
    return float((cells * inside).sum() / cells.sum()), float(inside.mean()), hit


def _covered(boxes: Sequence[Box], side: int, size_px: int) -> np.ndarray[Any, Any]:
    """Which share of each cell `(side, side)` the boxes cover; where two overlap they count once."""
    fine = 16
    grid = (np.arange(side * fine) + 0.5) * size_px / (side * fine)
    covered = np.zeros((side * fine, side * fine), bool)
    for box in boxes:
        columns, rows = (
            (grid >= low) & (grid < high) for low, high in ((box.x_min, box.x_max), (box.y_min, box.y_max))
        )
        covered |= rows[:, None] & columns[None, :]
    shares: np.ndarray[Any, Any] = covered.reshape(side, fine, side, fine).mean(axis=(1, 3))
    return shares
