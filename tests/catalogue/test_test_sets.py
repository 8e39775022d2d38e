"""The test sets' facts against what timm ships and publishes."""

from __future__ import annotations

from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path

import pytest

from repro.catalogue.classes import load_classes
from repro.catalogue.models import published_by_timm
from repro.catalogue.test_sets import find_test_set, load_test_sets
from repro.doctor.real import load_real_labels
from repro.exceptions import UsageError


def timms(name: str) -> list[str]:
    spec = find_spec("timm")
    assert spec is not None and spec.origin is not None
    return (Path(spec.origin).parent / "data/_info" / name).read_text().split()


@pytest.mark.parametrize("letter", ["a", "r"])
def test_the_classes_are_timms(letter: str) -> None:
    classes = find_test_set(f"imagenet-{letter}").classes
    assert list(classes) == [int(index) for index in timms(f"imagenet_{letter}_indices.txt")]
    assert [load_classes()[c].wnid for c in classes] == timms(f"imagenet_{letter}_synsets.txt")
    assert len(classes) == 200


def test_every_published_figure_is_a_whole_number_of_the_sets_images() -> None:
    """An independent witness of the sizes: 34 figures of three decimals hardly fit another one."""
    columns = {
        f"{test_set.published}_top{k}": test_set
        for test_set in load_test_sets()
        for k in (1, 5)
        if test_set.published
    }
    assert set(columns) | {"imagenet_top1", "imagenet_top5"} == set(next(iter(published_by_timm().values())))
    misses = dict.fromkeys((test_set.name for test_set in columns.values()), 0)
    for figures in published_by_timm().values():
        for column, test_set in columns.items():
            right = round(figures[column] * test_set.n_images / 100)
            nearest = Decimal(100 * right) / test_set.n_images
            misses[test_set.name] += round(nearest, 3) != figures[column]
            assert abs(nearest - figures[column]) < Decimal("0.0006")
    # timm's means over batches of Sketch end 0.0001 from the next decimal in three places.
    assert misses == dict.fromkeys(misses, 0) | {"imagenet-sketch": 3}


def test_real_labels_as_many_images_as_it_says() -> None:
    real = load_real_labels()
    assert real is not None
    (relabelled,) = [test_set for test_set in load_test_sets() if test_set.relabels]
    assert relabelled.n_images == real.labelled.sum() == 46_837


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("imagenet_a", "did you mean imagenet-a"),
        ("objectnet", "there are imagenet-v2-matched-frequency, "),
        ("imagenet-real", "no images of its own"),
    ],
)
def test_other_names_are_refused(name: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        find_test_set(name)
