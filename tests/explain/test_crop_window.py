"""Coordinates go the way that the pixels go, and back."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from repro.datasets.boxes import Box
from repro.datasets.decode import decode
from repro.datasets.photos20 import Photos20, find_photos
from repro.evaluation.preprocess import crop
from repro.explain.crop_window import crop_boxes, crop_for_display, crop_window
from repro.specs import Geometry

SIDES = st.integers(30, 300)


@st.composite
def geometries(draw: st.DrawFn) -> Geometry:
    mode = draw(st.sampled_from(["center", "squash"]))
    return Geometry(
        draw(st.integers(24, 96)), draw(st.sampled_from([0.875, 0.9, 0.95, 1.0])), "bilinear", mode
    )


@given(SIDES, SIDES, geometries(), st.data())
def test_a_painted_box_lies_where_it_is_said_to_lie(
    width: int, height: int, geometry: Geometry, data: st.DataObject
) -> None:
    """A wide slope of brightness across the photograph tells each pixel of the crop where it comes from."""
    window = crop_window(width, height, geometry)
    for axis, size in (("x", width), ("y", height)):
        ramp = np.linspace(0, 255, size, dtype=np.float64)
        pixels = np.rint(np.tile(ramp, (height, 1)) if axis == "x" else np.tile(ramp[:, None], (1, width)))
        image = Image.fromarray(pixels.astype(np.uint8)).convert("RGB")
        seen = crop(image, geometry)[0].numpy().astype(float)
        profile = seen.mean(axis=0) if axis == "x" else seen.mean(axis=1)
        place = data.draw(st.integers(4, geometry.size_px - 5))
        back = window.to_photograph(Box(place, place, place + 1, place + 1)).centre[axis == "y"]
        scale = window.x_scale if axis == "x" else window.y_scale
        slack = 255 / size * (0.5 * scale + 0.5) + 1.5  # of resampling and of rounding
        if 2 * scale < back < size - 2 * scale:  # off the borders, where resampling bends the slope
            assert abs(np.interp(back - 0.5, range(size), ramp) - profile[place]) <= slack


@given(SIDES, SIDES, geometries())
def test_there_and_back_is_the_same_place(width: int, height: int, geometry: Geometry) -> None:
    window = crop_window(width, height, geometry)
    box = Box(3, 5, 20, 17)
    back = window.to_crop(window.to_photograph(box))
    assert back is not None
    assert (back.x_min, back.y_min, back.x_max, back.y_max) == pytest.approx((3, 5, 20, 17))


def test_a_known_box() -> None:
    """500 x 375 becomes 341 x 256; the crop of 224 begins at 58, 16 (timm's EfficientNet-Lite0)."""
    geometry = Geometry(224, 0.875, "bicubic")
    window = crop_window(500, 375, geometry)
    assert (window.left, window.top) == (58, 16)
    inside = window.to_crop(Box(250, 375 / 2, 500, 375))
    assert inside == Box(250 * 341 / 500 - 58, 112, 224, 224)
    assert window.to_crop(Box(0, 0, 10, 375)) is None
    assert crop_boxes({"a": (Box(0, 0, 10, 375),), "b": ()}, {"a": (500, 375), "c": (1, 1)}, geometry) == {}


@pytest.mark.parametrize("size", [(400, 300), (300, 400), (256, 256), (257, 301)])
def test_a_white_box_is_white_in_the_crop(size: tuple[int, int]) -> None:
    """Every pixel of the crop well inside the box is white, every one well outside black."""
    geometry = Geometry(112, 0.875, "bicubic")
    box = Box(120, 100, 190, 170)
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[100:170, 120:190] = 255
    seen = crop(Image.fromarray(pixels), geometry)[0].numpy()
    inside = crop_window(*size, geometry).to_crop(box)
    assert inside is not None
    columns, rows = (np.abs(np.arange(112) + 0.5 - c) for c in inside.centre)
    half_width, half_height = (inside.x_max - inside.x_min) / 2, (inside.y_max - inside.y_min) / 2
    deep = (rows[:, None] < half_height - 2) & (columns[None, :] < half_width - 2)
    off = (rows[:, None] > half_height + 2) | (columns[None, :] > half_width + 2)
    assert (seen[deep] >= 250).all() and (seen[off] <= 5).all()
    assert abs((seen > 127).sum() - inside.area) <= 0.05 * inside.area


@pytest.fixture(scope="module")
def photographs() -> list[Image.Image]:
    """Real ones, and parts of them that are no squares."""
    if find_photos() is None:
        pytest.skip("the package foolbox has the photographs")
    photos = Photos20.open()
    whole = [decode(photos.read(sample)).rgb for sample in photos.samples[::4]]
    parts = [(0, 0, 500, 375), (10, 20, 343, 520), (0, 100, 300, 401)]
    return [*whole, *(one.crop(part) for one, part in zip(whole, parts, strict=False))]


@pytest.mark.parametrize("mode", ["center", "squash"])
@pytest.mark.parametrize(("size_px", "share"), [(224, 0.875), (224, 0.9), (260, 0.92), (224, 1.0)])
def test_what_is_displayed_looks_like_what_was_scored(
    mode: str, size_px: int, share: float, photographs: list[Image.Image]
) -> None:
    geometry = Geometry(size_px, share, "bicubic", mode)
    for photograph in photographs:
        shown = np.asarray(crop_for_display(photograph, geometry, size_px)).astype(int)
        difference = np.abs(shown - crop(photograph, geometry).permute(1, 2, 0).numpy())
        assert difference.max() <= 8
        assert difference.mean() <= 0.3  # moved by one pixel: 6 to 23


@pytest.mark.parametrize("side_px", [64, 160, 448])
def test_another_side_shows_the_same_window(side_px: int, photographs: list[Image.Image]) -> None:
    geometry = Geometry(224, 0.875, "bicubic")
    for photograph in photographs:
        shown = crop_for_display(photograph, geometry, side_px)
        assert (shown.size, shown.mode) == ((side_px, side_px), "RGB")
        scored = Image.fromarray(crop(photograph, geometry).permute(1, 2, 0).numpy())
        coarse = [one.resize((16, 16), Image.Resampling.BOX) for one in (shown, scored)]
        one, other = (np.asarray(each).astype(int) for each in coarse)
        assert np.abs(one - other).mean() <= 1.5


@given(st.integers(30, 2000), st.integers(30, 2000), st.sampled_from(["center", "squash"]))
@example(1019, 500, "squash")  # 224 pixels of the crop end at 1019.0000000000001
@settings(max_examples=30)
def test_a_window_that_ends_at_the_edge_is_cut_out(width: int, height: int, mode: str) -> None:
    geometry = Geometry(224, 1.0, "bicubic", mode)
    assert crop_for_display(Image.new("RGB", (width, height)), geometry, 32).size == (32, 32)


def test_what_a_page_shows_needs_no_torch() -> None:
    child = """
import sys
import repro.explain.crop_window, repro.explain.doses, repro.explain.jobs, repro.explain.wanted
assert not {"torch", "torchvision", "timm", "pandas", "cv2", "scipy"} & set(sys.modules), sorted(sys.modules)
"""
    subprocess.run([sys.executable, "-c", child], check=True)
