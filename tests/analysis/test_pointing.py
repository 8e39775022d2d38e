"""Energy in the boxes and where a map peaks, by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from repro.analysis.pointing import point, pointing
from repro.datasets.boxes import Box
from repro.results.heat_maps import ALL_ZERO, OK


def row(image_id: str, cells: list[float], status: str = OK, target: str = "true") -> dict[str, Any]:
    return {"image_id": image_id, "target": target, "status": status, "side": 2, "map": cells}


def test_energy_is_what_lies_in_the_box() -> None:
    cells = np.array([[3.0, 1.0], [0.0, 0.0]])
    assert point(cells, [Box(0, 0, 50, 50)], 100) == (0.75, 0.25, True)
    assert point(cells, [Box(0, 0, 25, 100)], 100) == (0.375, 0.25, False)
    assert point(cells, [Box(50, 0, 100, 50)], 100) == (0.25, 0.25, False)
    assert point(cells, [Box(0, 0, 100, 100), Box(10, 10, 60, 60)], 100) == (1, 1, True)


def test_a_flat_map_has_its_area_as_energy() -> None:
    energy, area, _ = point(np.ones((7, 7)), [Box(20, 30, 130, 170)], 224)
    assert energy == pytest.approx(area)
    assert area == pytest.approx(110 * 140 / 224**2, rel=0.02)


def test_only_maps_that_say_something_and_have_a_box_count() -> None:
    rows = [
        row("a", [1, 0, 0, 0]),
        row("b", [0, 0, 0, 1]),
        row("c", [0, 0, 0, 0], ALL_ZERO),
        row("d", [1, 1, 1, 1]),
    ]
    rows.append(row("a", [0, 0, 0, 1], target="predicted"))
    boxes = {image_id: (Box(0, 0, 5, 5),) for image_id in "abc"}
    found = pointing("true", rows, boxes, 10)
    assert found is not None
    assert (found.n, found.energy, found.area, found.hits) == (2, 0.5, 0.25, 1)
    assert pointing("contrast", rows, boxes, 10) is None
