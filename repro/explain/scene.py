"""What an intervention works on: a photograph, its crop, and where in it the object is."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from repro.datasets.boxes import Box
from repro.results.probes import BOX
from repro.specs import Geometry

Crop = NDArray[np.uint8]
"""`(size_px, size_px, 3)`."""

REGION_QUANTILE = 0.5
"""Without a box the object is the half of the crop where the heat map is strongest.

The map is that of the network's own two best answers, never of the true class: a probe that looked where
the truth is would help errors more than it helps their controls.
"""

HEAT_MAP: Final = "heat map"
CENTRE: Final = "centre"
NONE: Final = "none"


@dataclass(frozen=True, slots=True)
class Focus:
    """Where the object is in a crop: a mask `(size_px, size_px)`, its centre, and who says so."""

    mask: NDArray[np.bool_]
    centre: tuple[float, float]
    told_by: str


@dataclass(frozen=True, slots=True)
class Scene:
    """One image on its way into a probe.

    `others` are crops of other photographs, for their surroundings; `seed` decides what is left to chance.
    """

    whole: Image.Image
    crop: Crop
    geometry: Geometry
    focus: Focus
    others: tuple[Crop, ...]
    seed: int


def seed_of(image_id: str) -> int:
    """A number that the image alone decides, on every machine."""
    return int.from_bytes(hashlib.sha256(image_id.encode()).digest()[:8])


def focus_on_boxes(boxes: Sequence[Box], size_px: int) -> Focus:
    """All the boxes are the object; its centre is that of the largest."""
    mask = np.zeros((size_px, size_px), bool)
    for box in boxes:
        mask[round(box.y_min) : round(box.y_max), round(box.x_min) : round(box.x_max)] = True
    return Focus(mask, max(boxes, key=lambda box: box.area).centre, BOX)


def focus_on_map(cells: NDArray[Any] | None, size_px: int) -> Focus:
    """Region and centre of mass of a heat map `(side, side)`, never negative; without one, the middle."""
    if cells is None:
        middle = np.abs(np.arange(size_px) + 0.5 - size_px / 2) < size_px * (1 - REGION_QUANTILE) ** 0.5 / 2
        return Focus(middle[:, None] & middle[None, :], (size_px / 2, size_px / 2), CENTRE)
    image = Image.fromarray(np.asarray(cells, np.float32))
    values = np.asarray(image.resize((size_px, size_px), Image.Resampling.BILINEAR))
    mask = (values > 0) & (values >= np.quantile(values, REGION_QUANTILE))
    places = np.arange(size_px) + 0.5
    x, y = (float((values.sum(axis=axis) * places).sum() / values.sum()) for axis in (0, 1))
    return Focus(mask, (x, y), HEAT_MAP)


def focus_nowhere(size_px: int) -> Focus:
    """For interventions that need none."""
    return Focus(np.ones((size_px, size_px), bool), (size_px / 2, size_px / 2), NONE)
