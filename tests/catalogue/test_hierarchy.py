"""The hierarchy against WordNet itself, and its answers against all ways up, walked one by one."""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.catalogue.build_hierarchy import DATA_NOUN, build_files
from repro.catalogue.classes import load_classes
from repro.catalogue.hierarchy import load_glosses, load_hierarchy
from repro.exceptions import DataRefused, UsageError

CLASSES = st.integers(0, 999)
INDEX = {c.name: c.index for c in load_classes()}


@cache
def parents_of() -> dict[str, list[str]]:
    text = files("repro.catalogue").joinpath("hierarchy.csv").read_text(encoding="utf-8")
    return {row["wnid"]: row["parents"].split("|") for row in csv.DictReader(text.splitlines())}


@cache
def ways_up(wnid: str) -> list[list[str]]:
    """Every way from a node to the root, both ends included."""
    if parents_of()[wnid] == [""]:
        return [[wnid]]
    return [[wnid, *way] for parent in parents_of()[wnid] for way in ways_up(parent)]


@cache
def longest_way_up(wnid: str) -> int:
    return max(len(way) for way in ways_up(wnid)) - 1


@cache
def nodes_over(index: int) -> set[str]:
    return {wnid for way in ways_up(load_classes()[index].wnid) for wnid in way}


def steps_between(index: int, ancestor: str) -> int:
    return min(way.index(ancestor) for way in ways_up(load_classes()[index].wnid) if ancestor in way)


def test_the_files_are_what_wordnet_gives() -> None:
    if not DATA_NOUN.is_file():
        pytest.skip(f"{DATA_NOUN} is not there: apt-get install wordnet-base")
    built = build_files(DATA_NOUN)
    assert set(built) == {"hierarchy.csv", "glosses.csv"}
    for name, text in built.items():
        assert files("repro.catalogue").joinpath(name).read_bytes() == text.encode(), "make hierarchy"


def test_without_wordnet_the_package_is_named(tmp_path) -> None:
    with pytest.raises(UsageError, match="is not there") as error:
        build_files(tmp_path / "data.noun")
    assert error.value.hint == "apt-get install wordnet-base"


def test_another_wordnet_is_refused(tmp_path) -> None:
    """The offsets of another version name other synsets, or none."""
    data_noun = tmp_path / "data.noun"
    data_noun.write_text(
        '  1 licence\n00001740 03 n 01 entity 0 000 | that which is perceived; "a thing"  \n',
        encoding="ascii",
    )
    with pytest.raises(DataRefused, match=r"n\d{8} is not in this WordNet"):
        build_files(data_noun)


def test_its_size_and_its_root() -> None:
    nodes = load_hierarchy().nodes
    assert len(nodes) == 1860
    assert [node.name for node in nodes.values() if not node.parents] == ["entity"]
    assert sum(len(nodes[c.wnid].parents) > 1 for c in load_classes()) == 38
    assert len(load_glosses()) == 1000
    assert all(load_glosses())
    assert load_glosses()[INDEX["water bottle"]] == "a bottle for holding water"


def test_everything_is_deeper_than_what_is_above_it() -> None:
    nodes = load_hierarchy().nodes
    assert all(node.depth == longest_way_up(wnid) for wnid, node in nodes.items())
    assert all(nodes[parent].depth < node.depth for node in nodes.values() for parent in node.parents)
    assert load_hierarchy().depth("n02084071") == 13  # dog: 8 by the shortest way


@pytest.mark.parametrize(
    ("a", "b", "ancestor", "depth", "distance"),
    [
        ("laptop", "notebook", "portable computer", 11, 2),
        ("beer bottle", "water bottle", "bottle", 8, 2),
        ("water bottle", "lipstick", "instrumentality", 5, 8),
        ("Chihuahua", "Chihuahua", "Chihuahua", 15, 0),
        ("cup", "coffee mug", "physical entity", 1, 17),  # WordNet's cup is a drink
    ],
)
def test_known_pairs(a: str, b: str, ancestor: str, depth: int, distance: int) -> None:
    hierarchy = load_hierarchy()
    assert hierarchy.lowest_common_ancestor(INDEX[a], INDEX[b]).name == ancestor
    assert hierarchy.lowest_common_ancestor(INDEX[a], INDEX[b]).depth == depth
    assert hierarchy.semantic_distance(INDEX[a], INDEX[b]) == distance


@given(CLASSES, CLASSES)
def test_the_common_ancestor_is_the_deepest_there_is(a: int, b: int) -> None:
    hierarchy = load_hierarchy()
    common = nodes_over(a) & nodes_over(b)
    found = hierarchy.lowest_common_ancestor(a, b)
    assert found.wnid in common
    assert found.depth == max(longest_way_up(wnid) for wnid in common)
    assert found == hierarchy.lowest_common_ancestor(b, a)
    distance = steps_between(a, found.wnid) + steps_between(b, found.wnid)
    assert hierarchy.semantic_distance(a, b) == hierarchy.semantic_distance(b, a) == distance
    assert (distance == 0) == (a == b)


def test_equally_deep_ancestors_are_settled_by_the_shorter_way() -> None:
    """12 pairs have two deepest common ancestors; all of them, both ways round."""
    hierarchy = load_hierarchy()
    n_tied = 0
    several = [c.index for c in load_classes() if len(ways_up(c.wnid)) > 1]
    for a in several:
        for b in range(1000):
            common = nodes_over(a) & nodes_over(b)
            deepest = hierarchy.lowest_common_ancestor(a, b).depth
            tied = [wnid for wnid in common if hierarchy.depth(wnid) == deepest]
            if len(tied) > 1:
                n_tied += 1 if b not in several else 0.5
                best = min(tied, key=lambda w: (steps_between(a, w) + steps_between(b, w), w))
                assert hierarchy.lowest_common_ancestor(a, b).wnid == best
                assert hierarchy.lowest_common_ancestor(b, a).wnid == best
    assert n_tied == 12


def test_classes_under_a_node() -> None:
    hierarchy = load_hierarchy()
    assert hierarchy.classes_under("n02084071") == tuple(range(151, 269))
    assert hierarchy.classes_under("n00001740") == tuple(range(1000))
    assert all(hierarchy.classes_under(c.wnid) == (c.index,) for c in load_classes())
    for wnid in hierarchy.nodes:
        assert hierarchy.classes_under(wnid) == tuple(i for i in range(1000) if wnid in nodes_over(i))


def test_the_table_has_every_pair() -> None:
    """Against matrix products: two classes share a node of a depth where the product is not 0."""
    by_depth: dict[int, list[str]] = {}
    for wnid in parents_of():
        by_depth.setdefault(longest_way_up(wnid), []).append(wnid)
    expected = np.zeros((1000, 1000), np.uint8)
    over = [nodes_over(index) for index in range(1000)]
    for depth in sorted(by_depth):
        is_under = np.array([[wnid in above for wnid in by_depth[depth]] for above in over], np.float32)
        expected[is_under @ is_under.T > 0] = depth
    table = load_hierarchy().depth_table()
    assert table.dtype == np.uint8
    assert np.array_equal(table, expected)
    with pytest.raises(ValueError, match="read-only"):
        table[0, 0] = 1


@given(CLASSES, CLASSES)
def test_table_and_pair_agree(a: int, b: int) -> None:
    hierarchy = load_hierarchy()
    assert hierarchy.depth_table()[a, b] == hierarchy.lowest_common_ancestor(a, b).depth
    assert hierarchy.distance_table()[a, b] == hierarchy.semantic_distance(a, b)


def test_the_table_of_distances_settles_ties_as_the_pairs_do() -> None:
    hierarchy, table = load_hierarchy(), load_hierarchy().distance_table()
    several = [c.index for c in load_classes() if len(ways_up(c.wnid)) > 1]
    for a in several:
        assert table[a].tolist() == [hierarchy.semantic_distance(a, b) for b in range(1000)]
    assert np.array_equal(table, table.T)


@pytest.mark.parametrize("index", [-1, 1000])
def test_no_other_index_has_an_answer(index: int) -> None:
    with pytest.raises(KeyError):
        load_hierarchy().lowest_common_ancestor(0, index)
