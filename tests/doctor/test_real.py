"""ReaL's labels are those that timm ships, and an image's id tells its place in ImageNet val."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.doctor.real import images_without_label, load_real_labels, val_places


def val(number: int) -> str:
    return f"ILSVRC2012_val_{number:08d}"


def test_every_image_has_the_labels_of_the_file_once() -> None:
    real = load_real_labels()
    assert real is not None
    by_image = json.loads(files("timm").joinpath("data/_info/imagenet_real_labels.json").read_text())
    pairs = set(zip(real.images.tolist(), real.classes.tolist(), strict=True))
    assert len(pairs) == len(real.images)
    assert pairs == {(image, c) for image, classes in enumerate(by_image) for c in classes}
    assert real.labelled.tolist() == [bool(classes) for classes in by_image]


@given(st.lists(st.integers(-5, 50_005).map(lambda n: (val(n) if n >= 0 else f"x{val(-n)}", n)), max_size=9))
def test_places_are_counted_from_the_first_image(images: list[tuple[str, int]]) -> None:
    places = val_places([image_id for image_id, _ in images]).tolist()
    assert places == [n - 1 if 1 <= n <= 50_000 else -1 for _, n in images]


@pytest.mark.parametrize("image_id", ["", "x", val(7) + "\n", val(7) + "0", val(7)[:-1], "photo_00000007"])
def test_other_ids_have_no_place(image_id: str) -> None:
    assert val_places([val(8), image_id]).tolist() == [7, -1]


def test_images_without_a_label_are_those_that_the_file_leaves_empty() -> None:
    real = load_real_labels()
    assert real is not None
    ids = [val(n) for n in range(50_002)] + ["x"]
    without = images_without_label(iter(ids))
    assert without == {val(int(place) + 1) for place in (~real.labelled).nonzero()[0]}
