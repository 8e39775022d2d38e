"""Every class is in one group, of a size that can be read, beside its likes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from repro.catalogue.class_groups import LARGEST, class_groups
from repro.catalogue.class_lookup import find_class
from repro.catalogue.hierarchy import load_hierarchy


def group_of(name: str) -> str:
    return next(group.name for group in class_groups() if find_class(name).index in group.classes)


def test_every_class_is_in_one_group() -> None:
    assert sorted(index for group in class_groups() for index in group.classes) == list(range(1000))


def test_there_are_as_many_as_fit_a_screen_and_none_is_a_crumb() -> None:
    assert 30 <= len(class_groups()) <= 45
    sizes = [len(group.classes) for group in class_groups()]
    assert min(sizes) >= 10
    assert max(sizes) <= LARGEST == 40


def test_names_are_unique_and_say_where_there_is_more() -> None:
    names = [group.name for group in class_groups()]
    assert len(set(names)) == len(names)
    hierarchy = load_hierarchy()
    for group in class_groups():
        under = hierarchy.classes_under(group.wnid)
        assert set(group.classes) <= set(under), group.name
        assert group.name.removeprefix("other ") == hierarchy.nodes[group.wnid].name
        if group.name.startswith("other "):
            assert len(group.classes) < len(under)
        else:
            assert group.wnid not in {other.wnid for other in class_groups() if other is not group}


def test_known_classes_stand_where_one_looks_for_them() -> None:
    found = {
        "goldfish": "fish",
        "ostrich": "other bird",
        "Airedale": "terrier",
        "golden retriever": "sporting dog",
        "tiger": "feline",
        "grand piano": "musical instrument",
        "beer bottle": "vessel",
        "jeep": "self-propelled vehicle",
        "church": "building",
        "strawberry": "natural object",
        "volcano": "other entity",
    }
    assert {name: group_of(name) for name in found} == found


def test_likes_stand_together() -> None:
    """Nearer in the order, nearer in the hierarchy: more so than in the order of the classes themselves."""
    order = np.array([index for group in class_groups() for index in group.classes])
    depths = load_hierarchy().depth_table().astype(int)
    ours = depths[order[1:], order[:-1]].mean()
    assert ours > depths[np.arange(1, 1000), np.arange(999)].mean() + 1
    assert ours > np.mean([depths[np.ix_(g.classes, g.classes)].mean() for g in class_groups()])


def test_another_process_finds_the_same() -> None:
    """Also where Python hashes texts otherwise."""
    script = "from repro.catalogue.class_groups import class_groups; print(class_groups())"
    ran = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parents[2],
        env={"PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.strip() == str(class_groups())
