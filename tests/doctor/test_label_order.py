"""The order of the labels, judged without a model: wrong orders are named and mended, right ones let pass."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from repro.catalogue.classes import load_classes
from repro.datasets import open_dataset
from repro.datasets.labels import packaged_labels
from repro.doctor.label_order import check_label_order, judge_labels
from repro.doctor.real import load_real_labels
from tests.datasets.building import jpeg, val_name, write_files
from tests.proof.label_orders import (
    ALIKE,
    is_mended,
    named_orders,
    right_forms,
    sampled,
    swapped,
    swaps,
    true_labels,
)

PREDICTIONS = {"ResNet50": 38_065, "ViT": 39_003}


def test_two_packages_have_the_same_true_labels() -> None:
    packaged = packaged_labels("flat folder")
    assert packaged.of([f"ILSVRC2012_val_{i:08d}" for i in range(1, 50_001)]) == true_labels().tolist()


@pytest.mark.parametrize(("model", "n_correct"), PREDICTIONS.items())
def test_they_give_the_published_accuracies(model: str, n_correct: int, shared_data: Path) -> None:
    with (shared_data / "predictions" / f"{model}.csv").open(newline="") as file:
        rows = [(int(row["file_name"][15:23]), int(row["predicted_class"])) for row in csv.DictReader(file)]
    assert sum(true_labels()[number - 1] == predicted for number, predicted in rows) == n_correct


def test_the_devkit_ids_are_those_of_its_ground_truth() -> None:
    """The first ten lines of ILSVRC2012_validation_ground_truth.txt."""
    ids = [load_classes()[label].devkit_id for label in true_labels()[:10]]
    assert ids == [490, 361, 171, 822, 297, 482, 13, 704, 599, 164]
    assert sorted(c.devkit_id for c in load_classes()) == list(range(1, 1001))


def test_the_right_labels_agree_in_nine_of_ten_images() -> None:
    order = judge_labels(true_labels())
    assert (order.n_agree, order.n_checked, order.wrong) == (42_164, 46_837, "")


@pytest.mark.parametrize(
    ("order", "words"),
    {
        "devkit": "likely the devkit's own order of classes: label 0 (tench) is class 278 (kit fox), label 1",
        "devkit from 1": "devkit's own order of classes, numbered from 1: label 1 (goldfish) is class 278",
        "one too high": "every label is one too high, as if the classes were numbered from 1: label 1",
        "one too low": "every label is one too low, as if class 0 (tench) was missing when they",
        "numbers as text": "class numbers sorted as text: label 2 (great white shark) is class 10 (",
        "names as text": "class names sorted as text: label 0 (tench) is class 398 (abacus)",
        "reversed": "the classes in reverse: label 0 (tench) is class 999 (toilet tissue)",
        "class 500 missing": "labels from 500 on are one too low, as if class 500 (cliff dwelling) was",
        "a foreign folder first, at 500": "labels from 500 on are one too high, as if a folder that is",
        "random 0": "in no order known here: label 0 (tench) is class",
    }.items(),
)
@pytest.mark.parametrize("size", [50_000, 1_000, 100])
def test_a_wrong_order_is_named(order: str, words: str, size: int) -> None:
    given = sampled(named_orders()[order][true_labels()], size, seed=0)
    judged = judge_labels(given)
    assert "labels disagree with ReaL" in judged.wrong
    if size == 50_000:
        assert words in judged.wrong
        assert is_mended(given, judged) or order == "random 0"
        assert judged.n_agree < 0.02 * judged.n_checked or "500" in order


def test_a_shuffled_order_is_mended_class_by_class() -> None:
    order = named_orders()["random 0"]
    proposed = judge_labels(order[true_labels()]).proposed
    assert sum(order[c] == given for given, c in proposed.items()) >= 990


def test_labels_moved_by_one_image_are_refused() -> None:
    assert "in no order known here" in judge_labels(np.roll(true_labels(), 1)).wrong


def test_two_swapped_classes_are_found_and_told() -> None:
    judged = judge_labels(swapped(3, 7))
    assert judged.wrong == (
        "2 labels are swapped with another, says ReaL: "
        "label 3 (tiger shark) is class 7 (cock), label 7 (cock) is class 3 (tiger shark)"
    )
    assert judged.proposed == {3: 7, 7: 3}


@pytest.mark.parametrize(
    "pair", [(638, 639), (836, 837), (482, 848), (435, 876), (664, 782), (998, 999), (0, 999)]
)
def test_the_most_alike_classes_swapped_are_found(pair: tuple[int, int]) -> None:
    assert judge_labels(swapped(*pair)).wrong


def test_random_swaps_are_found_and_mended() -> None:
    assert all(is_mended(given, judge_labels(given)) for given in swaps(20))


@pytest.mark.parametrize("pair", ALIKE)
def test_two_pairs_are_too_alike_to_tell(pair: tuple[int, int]) -> None:
    assert not judge_labels(swapped(*pair)).wrong


def test_three_classes_moved_round_are_found() -> None:
    given = true_labels().copy()
    given[[np.isin(true_labels(), c).nonzero()[0] for c in (10, 500, 900)]] = np.array([[500], [900], [10]])
    assert "2 labels are not what their images show" in judge_labels(given).wrong


def test_no_right_labels_are_refused() -> None:
    alarms = [judge_labels(given).wrong for i, given in enumerate(right_forms()) if i % 40 == 0]
    assert not any(alarms)
    assert len(alarms) > 80


@pytest.mark.parametrize("size", [1, 20, 49])
def test_too_few_images_say_nothing(size: int) -> None:
    judged = judge_labels(sampled(named_orders()["reversed"][true_labels()], size, seed=0))
    assert not judged.wrong
    assert "images have ReaL labels, 50 are needed" in judged.unchecked


def test_without_the_labels_in_timm_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("repro.doctor.real.package_folder", lambda name: None)
    load_real_labels.cache_clear()
    judged = judge_labels(named_orders()["reversed"][true_labels()])
    load_real_labels.cache_clear()
    assert not judged.wrong
    assert "timm" in judged.unchecked


def test_images_of_another_set_are_not_checkable(tmp_path: Path) -> None:
    dataset = open_dataset(write_files(tmp_path, {"n01440764/a.JPEG": jpeg(1), "n01440764/b.JPEG": jpeg(2)}))
    assert "no image has an id of ImageNet val" in check_label_order(dataset).unchecked


def test_ids_beyond_the_validation_set_are_left_aside(tmp_path: Path) -> None:
    files = {f"n01440764/{val_name(n)}": jpeg(n) for n in (0, 50_001)}
    assert check_label_order(open_dataset(write_files(tmp_path, files))).unchecked
