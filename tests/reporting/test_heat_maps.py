"""Heat maps for people: what says nothing is named and never drawn, and names stand literally."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from repro.reporting.heat_maps import DIFFERS, MappedRun, draw_overlays, heat_maps_table, upsampled
from repro.reporting.table import to_text
from repro.results.heat_maps import ALL_ZERO, CONTRAST, NOT_FINITE, OK, PREDICTED, TARGETS, TRUE
from tests.analysis.records import run_of

BOTTLE, LIPSTICK = 898, 629
HOSTILE = "a$x_2$\u202e[red]/../b"


def maps_of(statuses: dict[str, str], agrees: bool = True) -> dict[str, dict[str, Any]]:
    """The rows of an image, strongest in the second row's first cell of three."""
    rows = {}
    for target in TARGETS:
        status = statuses.get(target, OK)
        cells = None if status == NOT_FINITE else np.zeros(9) if status == ALL_ZERO else np.eye(9)[3]
        fall = None if status == NOT_FINITE else 1.25
        row = {"label": BOTTLE, "predicted": LIPSTICK, "against": BOTTLE, "target": target, "status": status}
        row |= {"agrees": agrees, "side": 3, "map": cells, "fall": fall, "fall_random": fall and 0.5}
        rows[target] = row | {"logit_label": 1.0, "logit_predicted": 3.0, "logit_against": 1.0}
    return rows


def test_the_table_names_what_says_nothing() -> None:
    images = {"a": maps_of({}), "b": maps_of({TRUE: ALL_ZERO, CONTRAST: NOT_FINITE}), "c": maps_of({}, False)}
    text = to_text(
        heat_maps_table([MappedRun(run_of("deit_s", 40_000), images, dict.fromkeys("abc", 0.5))], "gradcam")
    )
    rows = {line.split()[0]: line for line in text.splitlines() if line[:1] in "abc" and line}
    assert "water bottle" in rows["a"] and "lipstick" in rows["a"]
    assert rows["a"].count("17, 50") == 2 and rows["a"].split()[-3:] == ["1.25", "0.50", "ok"]
    assert rows["b"].count("17, 50") == 1
    assert rows["b"].endswith(f"true: {ALL_ZERO}; contrast: {NOT_FINITE}")
    assert rows["c"].endswith(DIFFERS)
    assert "true 2 of 2, predicted 3 of 3, contrast 2 of 2" in text


def test_a_map_is_interpolated_between_the_centres_of_its_cells() -> None:
    row = {"map": [0.0, 1.0, 0.0, 1.0], "side": 2}
    values = upsampled(row, 8)
    assert values[0].tolist() == pytest.approx([0, 0, 0.125, 0.375, 0.625, 0.875, 1, 1])
    assert (values == values[0]).all()


def test_an_image_without_a_map_is_not_drawn_and_others_are(tmp_path: Path) -> None:
    images = {HOSTILE: maps_of({TRUE: ALL_ZERO}), "none": maps_of(dict.fromkeys(TARGETS, NOT_FINITE))}
    images["a_x_2_red_.._b"] = images[HOSTILE]
    crop = np.full((48, 48, 3), (200, 20, 20), np.uint8)
    written = draw_overlays(tmp_path, run_of("deit_s", 40_000), dict.fromkeys(images, crop), images)
    assert len(set(written)) == 2
    assert sorted(written) == sorted(tmp_path.iterdir())
    with Image.open(written[0]) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    red = (pixels[:, :, 0] > 180) & (pixels[:, :, 1] < 40)
    assert red.sum() > 50_000  # the crop as it is; under the maps it has no colour


def test_only_the_maps_that_say_something_are_coloured(tmp_path: Path) -> None:
    """The overlay of an all-zero map is the grey crop with its status on it."""
    crop = np.full((48, 48, 3), 120, np.uint8)
    coloured = []
    for statuses in ({}, {TRUE: ALL_ZERO}, {TRUE: ALL_ZERO, PREDICTED: ALL_ZERO}):
        images = {"a": maps_of(statuses)}
        (path,) = draw_overlays(tmp_path, run_of("deit_s", 40_000), {"a": crop}, images)
        pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)[:, :1230]  # without the scale's bar
        coloured.append(int((np.ptp(pixels, axis=2) > 30).sum()))
    assert coloured[0] > coloured[1] > coloured[2] > 0
    assert coloured[0] - coloured[1] == pytest.approx(coloured[1] - coloured[2], rel=0.1)
