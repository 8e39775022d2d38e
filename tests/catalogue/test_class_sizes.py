"""The estimated sizes: one for each class, in the bin they name, in an order nobody would dispute."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.catalogue.class_lookup import find_class, find_superclass
from repro.catalogue.class_sizes import load_class_sizes, size_ratio
from repro.catalogue.classes import load_classes
from repro.catalogue.hierarchy import load_hierarchy

CLASSES = st.integers(0, 999)


def cm(name: str) -> float:
    return load_class_sizes()[find_class(name).index].longest_side_cm


def test_one_estimate_for_each_class_in_order() -> None:
    assert [(s.wnid, s.name) for s in load_class_sizes()] == [(c.wnid, c.name) for c in load_classes()]


def test_every_estimate_lies_in_its_bin() -> None:
    for size in load_class_sizes():
        assert math.isfinite(size.longest_side_cm)
        assert 10 ** (size.half_decade / 2) <= size.longest_side_cm < 10 ** ((size.half_decade + 1) / 2), size


@given(CLASSES, CLASSES)
def test_a_ratio_is_of_the_larger_by_the_smaller(a: int, b: int) -> None:
    assert size_ratio(a, b) == size_ratio(b, a) >= 1
    assert size_ratio(a, a) == 1


def test_a_water_bottle_is_three_lipsticks_long() -> None:
    water_bottle, lipstick = 898, 629
    assert size_ratio(water_bottle, lipstick) == pytest.approx(3, abs=0.5)
    sizes = load_class_sizes()
    assert sizes[water_bottle].half_decade - sizes[lipstick].half_decade == 1


@pytest.mark.parametrize(
    "ascending",
    [
        ["Chihuahua", "beagle", "golden retriever", "Great Dane", "zebra", "African elephant", "grey whale"],
        ["toy poodle", "miniature poodle", "standard poodle"],
        ["miniature schnauzer", "standard schnauzer", "giant schnauzer"],
        ["cellular telephone", "laptop", "desktop computer", "desk", "studio couch"],
        ["tick", "ladybug", "bee", "grasshopper", "tarantula", "king crab"],
        ["hummingbird", "robin", "magpie", "goose", "ostrich"],
        ["ping-pong ball", "tennis ball", "baseball", "soccer ball", "basketball"],
        ["strawberry", "lemon", "banana", "pineapple", "jackfruit"],
        ["violin", "cello", "grand piano", "organ"],
        ["lipstick", "water bottle", "water jug", "rain barrel", "water tower"],
        ["tricycle", "moped", "convertible", "school bus", "airliner", "liner", "aircraft carrier"],
        ["canoe", "speedboat", "schooner", "submarine", "container ship"],
        ["tench", "gar", "great white shark", "killer whale"],
        ["cup", "coffee mug", "pitcher", "bucket", "bathtub"],
    ],
    ids=lambda names: names[0],
)
def test_orders_that_nobody_would_dispute(ascending: list[str]) -> None:
    for smaller, larger in pairwise(ascending):
        assert cm(smaller) < cm(larger), f"{smaller}, {larger}"


@pytest.mark.parametrize(
    ("superclass", "smallest_cm", "largest_cm"),
    [
        ("dog", 20, 150),
        ("bird", 5, 300),
        ("insect", 0.1, 30),
        ("snake", 15, 500),
        ("fungus", 2, 60),
        ("edible fruit", 1, 100),
        ("n02778669", 3, 150),
        ("bottle", 5, 60),
        ("motor vehicle", 150, 2000),
        ("ship", 1000, 50000),
        ("shop", 300, 3000),
        ("garment", 5, 250),
        ("geological formation", 1000, 1e7),
    ],
)
def test_nothing_of_a_kind_is_out_of_its_range(
    superclass: str, smallest_cm: float, largest_cm: float
) -> None:
    for index in load_hierarchy().classes_under(find_superclass(superclass).wnid):
        assert smallest_cm < load_class_sizes()[index].longest_side_cm < largest_cm, load_classes()[
            index
        ].name


def test_the_largest_and_the_smallest() -> None:
    by_size = sorted(load_class_sizes(), key=lambda size: size.longest_side_cm)
    assert [size.name for size in by_size[:2]] == ["nematode", "tick"]
    assert "aircraft carrier" in [size.name for size in by_size[-10:]]


def test_what_has_no_one_size_says_so() -> None:
    varies = {size.name for size in load_class_sizes() if size.varies}
    assert {"web site", "fountain", "cliff", "geyser", "bubble", "volcano", "knot"} <= varies
    assert not {"water bottle", "lipstick", "Chihuahua", "laptop", "airliner", "menu", "comic book"} & varies
    assert len(varies) < 100
