"""Each intervention does what it says, the same every time, and nothing to the image it is given."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from repro.datasets.boxes import Box
from repro.evaluation.preprocess import crop
from repro.exceptions import UsageError
from repro.explain import interventions as on
from repro.explain.doses import DOSES, INTERVENTIONS, Dose, Intervention, apply, find_doses
from repro.explain.scene import (
    BOX,
    CENTRE,
    HEAT_MAP,
    Crop,
    Focus,
    Scene,
    focus_on_boxes,
    focus_on_map,
    seed_of,
)
from repro.specs import Geometry

SIZE_PX = 56
GEOMETRY = Geometry(SIZE_PX, 0.875, "bicubic")
BOX_IN_CROP = Box(16, 20, 36, 44)


def scene_of(seed: int = 0, focus: Focus | None = None) -> Scene:
    """Noise about a slope of colours, 100 x 80."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:80, :100]
    slope = np.stack([rows * 3, columns * 2, 255 - rows - columns], axis=2)
    pixels = slope + rng.integers(-20, 20, (80, 100, 3))
    whole = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    return Scene(
        whole=whole,
        crop=crop(whole, GEOMETRY).permute(1, 2, 0).numpy(),
        geometry=GEOMETRY,
        focus=focus or focus_on_boxes([BOX_IN_CROP], SIZE_PX),
        others=(np.full((SIZE_PX, SIZE_PX, 3), 7, np.uint8), np.full((SIZE_PX, SIZE_PX, 3), 200, np.uint8)),
        seed=seed,
    )


def difference(one: Crop, other: Crop) -> np.ndarray:
    return np.abs(one.astype(float) - other).max(axis=2)


ALL_DOSES = [dose for doses in DOSES.values() for dose in doses]


@pytest.mark.parametrize("dose", ALL_DOSES, ids=lambda dose: f"{dose.name} {dose.dose:.3g}")
def test_every_dose_gives_a_crop_and_leaves_its_scene_alone(dose: Dose) -> None:
    scene = scene_of()
    before, whole = scene.crop.copy(), np.asarray(scene.whole).copy()
    changed = apply(scene, dose)
    assert changed.shape == scene.crop.shape and changed.dtype == np.uint8
    assert np.array_equal(changed, apply(scene_of(), dose))
    assert np.array_equal(scene.crop, before) and np.array_equal(scene.whole, whole)
    assert dose.name in INTERVENTIONS
    if (dose.name, dose.dose) != ("texture smoothed", 1 / 64):  # less than a pixel here
        assert difference(changed, before).max() > 10


def test_the_kinds_have_doses_of_which_some_may_drive_an_error() -> None:
    for kind, doses in DOSES.items():
        assert {dose.kind for dose in doses} == {kind}
        assert 0 < sum(dose.gentle for dose in doses) < len(doses) <= 12
        assert len({(dose.name, dose.dose) for dose in doses}) == len(doses)
    with pytest.raises(UsageError, match="unknown kind of probe 'colour'; there are size, context, shape"):
        find_doses("colour")


@pytest.mark.parametrize("factor", [0.25, 0.5, 0.71])
def test_smaller_is_the_crop_itself_in_the_middle(factor: float) -> None:
    scene = scene_of()
    side = round(SIZE_PX * factor)
    small = np.asarray(Image.fromarray(scene.crop).resize((side, side), Image.Resampling.BICUBIC))
    start = (SIZE_PX - side) // 2
    inner = slice(start, start + side)
    for change in (on.smaller_on_grey, on.smaller_on_reflections, on.smaller_on_own_background):
        assert np.array_equal(change(scene, factor)[inner, inner], small)
    assert (on.smaller_on_grey(scene, factor)[0] == on.GREY).all()
    mirrored = on.smaller_on_reflections(scene, factor)
    assert np.array_equal(mirrored[start - 1, inner], small[0])


def test_larger_by_nothing_is_the_crop_and_by_two_its_half() -> None:
    scene = scene_of()
    assert difference(on.larger(scene, 1), scene.crop).mean() < 3  # the same window, resized at once
    half = on.larger(scene, 2)
    x, y = (round(value - SIZE_PX / 4) for value in BOX_IN_CROP.centre)
    window = scene.crop[y : y + SIZE_PX // 2, x : x + SIZE_PX // 2]
    back = np.asarray(Image.fromarray(half).resize((SIZE_PX // 2, SIZE_PX // 2), Image.Resampling.BICUBIC))
    assert difference(back, window).mean() < 8


def test_larger_never_looks_beyond_the_crop() -> None:
    corner = scene_of(focus=focus_on_boxes([Box(0, 0, 4, 4)], SIZE_PX))
    top_left = Image.fromarray(on.larger(corner, 2)).resize((SIZE_PX // 2, SIZE_PX // 2))
    assert difference(np.asarray(top_left), corner.crop[: SIZE_PX // 2, : SIZE_PX // 2]).mean() < 8


@pytest.mark.parametrize(
    ("change", "dose"),
    [(on.surroundings_blurred, 1 / 16), (on.surroundings_greyed, 0.75), (on.surroundings_of_another, 1)],
)
def test_surroundings_change_and_the_object_does_not(change: Intervention, dose: float) -> None:
    scene = scene_of()
    moved = difference(change(scene, dose), scene.crop)
    assert moved[24:40, 20:32].max() <= 1
    assert moved[:12].mean() > 5


def test_greyed_surroundings_fade_by_the_dose() -> None:
    scene = scene_of()
    far = scene.crop[0].astype(float)
    assert np.abs(on.surroundings_greyed(scene, 0.5)[0] - (far + on.GREY) / 2).max() <= 1
    assert (on.surroundings_greyed(scene, 1)[0] == on.GREY).all()


def test_other_surroundings_are_another_photographs_each_in_turn() -> None:
    scene = scene_of()
    assert [on.surroundings_of_another(scene, which)[0, 0, 0] for which in (1, 2, 3)] == [7, 200, 7]


def test_a_removed_object_leaves_its_surroundings() -> None:
    scene = scene_of()
    moved = difference(on.object_removed(scene, 1), scene.crop)
    assert moved[:14].max() <= 1
    assert moved[24:40, 20:32].mean() > 5
    half = difference(on.object_removed(scene, 0.5), scene.crop)
    assert half[24:40, 20:32].mean() == pytest.approx(moved[24:40, 20:32].mean() / 2, rel=0.1)


@given(st.integers(0, 10_000), st.sampled_from([2, 4, 7]))
def test_no_tile_stays_and_none_is_lost(seed: int, n: int) -> None:
    scene = scene_of(seed)
    side = SIZE_PX // n

    def tiles(pixels: Crop) -> list[bytes]:
        grid = pixels.reshape(n, side, n, side, 3).swapaxes(1, 2)
        return [tile.tobytes() for tile in grid.reshape(n * n, -1)]

    before, after = tiles(scene.crop), tiles(on.tiles_shuffled(scene, n))
    assert sorted(before) == sorted(after)
    assert not any(one == other for one, other in zip(before, after, strict=True))


def test_what_does_not_fit_into_tiles_stays() -> None:
    scene = scene_of()
    shuffled = on.tiles_shuffled(scene, 6)  # 9 pixels each, 2 over
    assert np.array_equal(shuffled[54:], scene.crop[54:])
    assert np.array_equal(shuffled[:, 54:], scene.crop[:, 54:])


def test_outlines_have_neither_colour_nor_texture() -> None:
    scene = scene_of()
    lines = on.outlines_only(scene, 1)
    assert (lines == lines[:, :, :1]).all()
    flat = Scene(scene.whole, np.full_like(scene.crop, 90), GEOMETRY, scene.focus, (), 0)
    assert (on.outlines_only(flat, 1) == 255).all()
    edge = flat.crop.copy()
    edge[:, SIZE_PX // 2 :] = 200
    lines = on.outlines_only(Scene(scene.whole, edge, GEOMETRY, scene.focus, (), 0), 1)
    assert lines[:, SIZE_PX // 2 - 1 : SIZE_PX // 2 + 1].max() < 30
    assert lines[:, : SIZE_PX // 2 - 6].min() > 250


def test_smoothing_keeps_an_edge_and_loses_a_dot() -> None:
    scene = scene_of()
    pixels = np.full_like(scene.crop, 50)
    pixels[:, 28:] = 200
    pixels[10, 10] = 255
    smoothed = on.texture_smoothed(Scene(scene.whole, pixels, GEOMETRY, scene.focus, (), 0), 1 / 20)
    assert (smoothed[10, 10] == 50).all()
    assert (smoothed[30, 27] == 50).all() and (smoothed[30, 28] == 200).all()


def test_without_colour_only_brightness_is_left() -> None:
    scene = scene_of()
    grey = np.asarray(Image.fromarray(scene.crop).convert("L"))
    assert np.array_equal(on.colour_removed(scene, 1), np.repeat(grey[:, :, None], 3, axis=2))
    assert np.array_equal(on.colour_removed(scene, 0), scene.crop)


def test_the_focus_is_the_box_else_the_map_else_the_middle() -> None:
    box = focus_on_boxes([Box(0, 0, 4, 4), BOX_IN_CROP], SIZE_PX)
    assert (box.told_by, box.centre, box.mask.sum()) == (BOX, BOX_IN_CROP.centre, 16 + 20 * 24)
    cells = np.zeros((7, 7), np.float32)
    cells[1, 5] = 1
    found = focus_on_map(cells, SIZE_PX)
    assert found.told_by == HEAT_MAP
    assert found.centre == pytest.approx((5.5 * 8, 1.5 * 8), abs=0.6)
    assert found.mask[12, 44] and not found.mask[44, 12]
    middle = focus_on_map(None, SIZE_PX)
    assert (middle.told_by, middle.centre) == (CENTRE, (28, 28))
    assert middle.mask[28, 28] and not middle.mask[0, 0]


def test_chance_is_the_images_own() -> None:
    assert seed_of("a") == seed_of("a") != seed_of("b")
    one, two = (on.tiles_shuffled(scene_of(seed), 4) for seed in (1, 2))
    assert not np.array_equal(one, two)
