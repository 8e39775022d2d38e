"""What people type for a class or a super-class, and the line they read where it means none or several."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.catalogue.class_lookup import find_class, find_superclass
from repro.catalogue.classes import load_classes
from repro.catalogue.hierarchy import load_hierarchy
from repro.exceptions import UsageError

WRITTEN = [str, str.upper, str.lower, lambda text: f" {text.replace(' ', '_')}  "]


@pytest.mark.parametrize("written", WRITTEN)
def test_every_class_by_number_wnid_and_name(written) -> None:
    for c in load_classes():
        assert find_class(written(str(c.index))) == c
        assert find_class(written(c.wnid)) == c
        assert find_class(written(c.name)) == c


def test_every_synonym_finds_its_class_or_names_it() -> None:
    """A synonym that two classes share is told with both, or is the unique name of one of them."""
    n_shared = 0
    for c in load_classes():
        for lemma in load_hierarchy().nodes[c.wnid].lemmas:
            try:
                found = find_class(lemma)
            except UsageError as error:
                n_shared += 1
                assert f"{c.index} {c.name} ({c.wnid})" in str(error)
            else:
                assert found == c or found.name.lower() == lemma.lower()
    assert n_shared == 24  # 12 synonyms, each of two classes


@pytest.mark.parametrize(
    ("text", "index"),
    [("tank suit", 639), ("notebook computer", 681), ("partridge", 86), ("missile", 657), ("007", 7)],
)
def test_one_class_is_meant(text: str, index: int) -> None:
    assert find_class(text).index == index


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "Crane",
            "'Crane' is 2 classes: 134 crane (bird) (n02012849) or 517 crane (machine) (n03126707); "
            "say which by its number or wnid",
        ),
        (
            "maillot",
            "'maillot' is 2 classes: 638 maillot (tights) (n03710637) or 639 maillot (swimsuit) (n03710721); "
            "say which by its number or wnid",
        ),
        (
            "watr bottle",
            "unknown class 'watr bottle'; did you mean water bottle or wine bottle or soda bottle?",
        ),
        ("dog", "unknown class 'dog'; it is a super-class: dog, domestic dog (118 classes)"),
        ("n02084071", "n02084071 is no class, but a super-class: dog, domestic dog (118 classes)"),
        ("n04557649", "n04557649 is none of the 1000 classes; did you mean 898 water bottle (n04557648)?"),
        ("1000", "there is no class 1000; classes are numbered 0 to 999"),
        ("9" * 5000, f"there is no class {'9' * 5000}; classes are numbered 0 to 999"),
        ("", "unknown class ''; a class is given by its number, its wnid or any of its names in WordNet"),
        ("-1", "unknown class '-1'; a class is given by its number, its wnid or any of its names in WordNet"),
    ],
    ids=lambda text: text[:12],
)
def test_no_class_or_several(text: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        find_class(text)
    assert str(error.value) == said


@pytest.mark.parametrize(
    ("text", "wnid"),
    [
        ("dog", "n02084071"),
        ("N02084071", "n02084071"),
        ("canis_familiaris", "n02084071"),
        ("true cat", "n02121620"),
        ("chest", "n03015254"),  # of drawers; the class is another chest
        ("entity", "n00001740"),
    ],
)
def test_one_super_class_is_meant(text: str, wnid: str) -> None:
    assert find_superclass(text).wnid == wnid


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "cat",
            "'cat' is 2 super-classes: n02121620 cat, true cat (7 classes) or "
            "n02127808 big cat, cat (6 classes); say which by its wnid",
        ),
        ("beagle", "unknown super-class 'beagle'; it is a class: 162 beagle (n02088364), a kind of hound"),
        (
            "n02088364",
            "unknown super-class 'n02088364'; it is a class: 162 beagle (n02088364), a kind of hound",
        ),
        (
            "crane",
            "unknown super-class 'crane'; it is a class: 134 crane (bird) (n02012849), a kind of wading bird "
            "or 517 crane (machine) (n03126707), a kind of lifting device",
        ),
        ("dogg", "unknown super-class 'dogg'; did you mean dog?"),
        (
            "n00000000",
            "unknown super-class 'n00000000'; a super-class is given by its wnid or any of its names in "
            "WordNet, such as dog or n02084071",
        ),
    ],
)
def test_no_super_class_or_several(text: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        find_superclass(text)
    assert str(error.value) == said


@given(st.text(max_size=30))
def test_whatever_is_typed_the_answer_is_a_class_or_one_line(text: str) -> None:
    for find in (find_class, find_superclass):
        try:
            find(text)
        except UsageError as error:
            assert len(str(error).splitlines()) == 1


def test_only_the_standard_library_is_imported() -> None:
    child = """
import sys
before = set(sys.modules)
from repro.catalogue.class_lookup import find_class
from repro.catalogue.class_sizes import size_ratio
from repro.catalogue.hierarchy import load_hierarchy
a, b = find_class("water bottle").index, find_class("lipstick").index
size_ratio(a, b), load_hierarchy().semantic_distance(a, b)
roots = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*sorted(roots - sys.stdlib_module_names))
"""
    answer = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["repro"]
