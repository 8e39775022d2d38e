"""Which test set a dataset is, on trees as the sets are published (their images empty files)."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from repro.catalogue.test_sets import find_test_set
from repro.datasets import Dataset, limit, open_dataset
from repro.datasets.class_folders import ClassFolders
from repro.datasets.labels import labels_of_folders
from repro.datasets.test_sets import place_in_test_set, resembled
from repro.exceptions import DataRefused, UsageError
from repro.specs import Sample
from tests.datasets.building import WNIDS, class_files, refusal, write_files, write_shard, write_tar

A = find_test_set("imagenet-a").classes
R = find_test_set("imagenet-r").classes
V2 = "imagenetv2-matched-frequency-format-val"


def v2_files(classes: Iterable[int] = range(1000), per_class: int = 10) -> dict[str, bytes]:
    return {f"{c}/{c:04d}-{i}.jpeg": b"" for c in classes for i in range(per_class)}


def a_files(classes: Iterable[int] = A, n: int = 7500) -> dict[str, bytes]:
    wnids = [WNIDS[c] for c in classes]
    return {f"{wnids[i % len(wnids)]}/0.{i:06d}_x _ y_0.9.jpg": b"" for i in range(n)}


@pytest.fixture(scope="module")
def v2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_files(tmp_path_factory.mktemp("v2") / V2, v2_files())


@pytest.fixture(scope="module")
def imagenet_a(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_files(tmp_path_factory.mktemp("a") / "whatever", a_files())


def with_samples(labels: Iterable[int], name: str = "x", prefix: str = "sketch") -> Dataset:
    samples = [Sample(f"{prefix}_{i:08d}", str(i), label) for i, label in enumerate(labels, 1)]
    return ClassFolders.from_samples(samples, root=Path("/", name), kind="class folders", labels_from="")


def test_imagenet_a_is_known_by_its_classes_and_images_whatever_it_is_called(imagenet_a: Path) -> None:
    dataset = open_dataset(imagenet_a)
    assert (dataset.name, dataset.test_set, dataset.n_expected) == ("imagenet-a", "imagenet-a", 7500)
    assert (dataset.classes, dataset.n_choices, dataset.partial) == (A, 200, "")
    assert {sample.label for sample in dataset.samples} == set(A)
    assert open_dataset(dataset.root) == dataset
    sampled = limit(dataset, 100)
    assert (sampled.classes, sampled.n_expected) == (A, 7500)
    assert sampled.partial == "100 of 7,500 images (sampled, seed 0), 100 of 200 classes"


def test_one_image_less_is_recognised_no_more_but_can_be_said(imagenet_a: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(imagenet_a, tmp_path / "imagenet-a")
    next(copy.glob("*/*.jpg")).unlink()
    dataset = open_dataset(copy)
    assert (dataset.test_set, dataset.classes, dataset.n_choices) == ("", (), 1000)
    assert dataset.name == "unrecognised imagenet-a"
    assert dataset.partial == "7,499 images, not the 50,000 of ImageNet val"
    alike = resembled(dataset)
    assert alike is not None and alike.name == "imagenet-a"
    given = open_dataset(copy, test_set="imagenet-a")
    assert (given.name, given.classes, given.n_expected) == ("imagenet-a", A, 7500)
    assert given.partial == "7,499 of 7,500 images, 200 of 200 classes"
    assert resembled(given) is None


def test_a_folders_number_is_its_class(v2: Path) -> None:
    dataset = open_dataset(v2)
    assert (dataset.name, dataset.n_expected) == ("imagenet-v2-matched-frequency", 10_000)
    assert (dataset.partial, dataset.classes, dataset.n_choices) == ("", (), 1000)
    assert dataset.labels_from == "folder names (class number)"
    assert all(sample.label == int(sample.image_id[:4]) for sample in dataset.samples)
    assert len(dataset.samples) == 10_000


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("imagenetv2-threshold0.7-format-val", "imagenet-v2-threshold-0.7"),
        ("imagenetv2-top-images-format-val", "imagenet-v2-top-images"),
        ("imagenet-v2-matched-frequency", "imagenet-v2-matched-frequency"),
        ("imagenetv2", "imagenet-v2"),
        ("matched-frequency-or-top-images", "imagenet-v2"),
    ],
)
def test_only_the_folders_name_tells_the_variant_of_v2(v2: Path, folder: str, name: str) -> None:
    link = v2.parent / folder
    link.symlink_to(v2)
    dataset = open_dataset(link)
    assert (dataset.name, dataset.partial) == (name, "")
    assert bool(find_test_set(dataset.test_set).unclear) == (name == "imagenet-v2")
    given = open_dataset(link, test_set="imagenet-v2-top-images")
    assert (given.name, given.partial) == ("imagenet-v2-top-images", "")


def test_v2_in_a_tar(tmp_path: Path) -> None:
    members = [(f"{V2}/{name}", data) for name, data in v2_files().items()]
    dataset = open_dataset(write_tar(tmp_path / "imagenetv2-matched-frequency.tar", members))
    assert (dataset.name, dataset.partial, dataset.kind) == (
        "imagenet-v2-matched-frequency",
        "",
        "tar of class folders",
    )
    assert all(sample.label == int(sample.image_id[:4]) for sample in dataset.samples)
    assert "11 folders named by numbers" in refusal(
        write_tar(tmp_path / "part.tar", v2_files(range(11), 10).items())
    )


def test_images_of_val_in_a_folder_called_by_a_number_stay_flat(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("ILSVRC2012_val_00000001,65\n")
    path = write_tar(tmp_path / "2012.tar", [("2012/ILSVRC2012_val_00000001.JPEG", b"")])
    assert [s.label for s in open_dataset(path, tmp_path / "labels.csv").samples] == [65]


def test_a_part_of_v2_has_to_be_said(tmp_path: Path) -> None:
    part = write_files(tmp_path / V2, v2_files(range(12), 3))
    message = refusal(part)
    assert "12 folders named by numbers" in message and "ImageNet-V2 only" in message
    dataset = open_dataset(part, test_set="imagenet-v2-matched-frequency")
    assert Counter(sample.label for sample in dataset.samples) == dict.fromkeys(range(12), 3)
    assert all(sample.label == int(sample.image_id[:4]) for sample in dataset.samples)
    assert dataset.partial == "36 of 10,000 images, 12 of 1000 classes"


def numbered(numbers: Iterable[int], n_images: int = 10) -> dict[str, int]:
    return {str(number): n_images for number in numbers}


@pytest.mark.parametrize(
    ("n_images", "words"),
    [
        (numbered(range(1, 1001)), '"1000"'),  # numbered from 1
        (numbered(range(999)), "999 folders"),
        (numbered(range(1000), 9), "9,000 images"),
        (numbered(range(1000)) | {"7": 11}, "10,001 images"),
        (numbered(range(1000)) | {"7": 11, "8": 9}, "10,000 images"),
        ({"00000001": 10}, '"00000001"'),
        ({"7": 10, WNIDS[0]: 10}, 'folder "7" has a number for a name, folder "n01440764" has not'),
    ],
    ids=["from 1", "999", "nine each", "one more", "one moved", "padded", "mixed"],
)
def test_other_numbers_mean_no_class(n_images: dict[str, int], words: str) -> None:
    with pytest.raises(DataRefused) as caught:
        labels_of_folders(n_images, None)
    assert words in str(caught.value)


def test_a_folder_that_is_neither_wnid_nor_number_stays_refused_beside_numbers(tmp_path: Path) -> None:
    assert '"cats"' in refusal(write_files(tmp_path, {"7/x.jpeg": b"", "cats/y.jpeg": b""}))


def test_r_and_sketch() -> None:
    r = place_in_test_set(with_samples(R[i % 200] for i in range(30_000)))
    assert (r.name, r.classes, r.n_expected, r.partial) == ("imagenet-r", R, 30_000, "")
    sketch = place_in_test_set(with_samples(i % 1000 for i in range(50_889)))
    assert (sketch.name, sketch.classes, sketch.n_choices) == ("imagenet-sketch", (), 1000)
    assert (sketch.n_expected, sketch.partial) == (50_889, "")


@pytest.mark.parametrize(
    ("label", "n", "prefix"),
    [
        (lambda i: R[i % 200], 7500, "x"),  # A's images, R's classes
        (lambda i: A[i % 199], 7500, "x"),
        (lambda i: A[i % 200] if i else 0, 7500, "x"),
        (lambda i: A[i % 200], 30_000, "x"),
        (lambda i: i % 1000, 10_000, "x"),  # V2's shape, but named by wnid
        (lambda i: i % 1000, 50_888, "x"),
        (lambda i: A[i % 200], 7500, "ILSVRC2012_val"),
    ],
)
def test_nothing_else_is_taken_for_a_test_set(label: Callable[[int], int], n: int, prefix: str) -> None:
    dataset = with_samples(map(label, range(n)), prefix=prefix)
    assert place_in_test_set(dataset) == dataset
    assert (dataset.test_set, dataset.classes) == ("", ())


def test_images_of_val_stay_val() -> None:
    val = with_samples((i % 1000 for i in range(50_000)), prefix="ILSVRC2012_val")
    assert place_in_test_set(val) == val
    assert (val.name, val.partial, val.published) == ("imagenet-val", "", True)


@pytest.mark.parametrize("name", ["imagenet-val", "imagenet-a", "imagenet-v2", "imagenet-real"])
def test_the_name_of_a_folder_makes_no_test_set(name: str) -> None:
    dataset = place_in_test_set(with_samples([0, 1], name))
    assert dataset.name == f"unrecognised {name}"
    assert not dataset.published


@pytest.mark.parametrize(
    ("labels", "test_set", "words"),
    [
        ([A[0], 0, 1], "imagenet-a", "not of its 200 classes: n01440764 (tench), n01443537 (goldfish)"),
        ([A[0]] * 7501, "imagenet-a", "7,501 images, it has 7,500"),
        ([3] * 11, "imagenet-v2-top-images", "more than its 10 images of n01491361 (tiger shark)"),
    ],
)
def test_a_given_set_that_the_folders_contradict_is_refused(
    labels: list[int], test_set: str, words: str
) -> None:
    with pytest.raises(DataRefused) as caught:
        place_in_test_set(with_samples(labels), find_test_set(test_set))
    assert words in str(caught.value)


def test_images_of_val_and_numbered_folders_contradict_imagenet_a(tmp_path: Path) -> None:
    val = write_files(tmp_path / "val", class_files([A[0]]))
    with pytest.raises(DataRefused, match="are images of ImageNet val"):
        open_dataset(val, test_set="imagenet-a")
    numbered = write_files(tmp_path / "numbered", {f"{A[0]}/x.jpg": b""})
    with pytest.raises(DataRefused, match="its folders are named by wnid"):
        open_dataset(numbered, test_set="imagenet-a")


def test_a_part_in_any_form_can_be_said(tmp_path: Path) -> None:
    rows = [(b"x", None, A[0]), (b"y", None, A[5])]
    dataset = open_dataset(write_shard(tmp_path / "a.parquet", rows), test_set="imagenet-a")
    assert (dataset.classes, dataset.partial) == (A, "2 of 7,500 images, 2 of 200 classes")


def test_photos20_is_no_part_of_another_set() -> None:
    with pytest.raises(UsageError, match="needs its images: --data PATH"):
        open_dataset(test_set="imagenet-sketch")


def test_the_listing_does_not_depend_on_what_the_set_is_called() -> None:
    dataset = with_samples([A[0]])
    given = place_in_test_set(dataset, find_test_set("imagenet-a"))
    assert given.listing == dataset.listing
    assert replace(given, name=dataset.name, test_set="", classes=(), n_expected=1) == dataset
