from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from repro.datasets import open_dataset
from repro.exceptions import UsageError
from tests.datasets.building import WNIDS, class_files, jpeg, labels_by_id, refusal, write_files

CLASSES = [0, 1, 2, 207, 500, 620, 629, 898, 997, 998, 999]


@pytest.mark.parametrize("under", ["", "val/"])
def test_labels_come_from_the_wnid(tmp_path: Path, under: str) -> None:
    write_files(tmp_path / under, class_files(CLASSES))
    dataset = open_dataset(tmp_path)
    assert [sample.label for sample in dataset.samples] == [c for c in sorted(CLASSES) for _ in range(2)]
    assert dataset.labels_from == "folder names (wnid)"
    assert (dataset.name, dataset.kind, dataset.root) == ("imagenet-val", "class folders", tmp_path)
    assert dataset.samples[0].path == f"{under}{WNIDS[0]}/ILSVRC2012_val_00000001.JPEG"
    assert dataset.read(dataset.samples[0]) == jpeg(1)
    assert dataset.partial == "22 of 50,000 images, 11 of 1000 classes"


@pytest.mark.parametrize("missing", CLASSES)
def test_a_missing_class_shifts_no_label(tmp_path: Path, missing: int) -> None:
    files = class_files(CLASSES)
    whole = labels_by_id(open_dataset(write_files(tmp_path / "whole", files)))
    rest = {name: data for name, data in files.items() if not name.startswith(WNIDS[missing])}
    partial = open_dataset(write_files(tmp_path / "partial", rest))
    assert len(partial.samples) == len(whole) - 2
    assert labels_by_id(partial).items() <= whole.items()


def test_what_is_none_of_ours_is_ignored_and_counted(tmp_path: Path) -> None:
    write_files(tmp_path, class_files([1, 3]))
    write_files(
        tmp_path,
        {
            ".cache/x.JPEG": b"",
            "__MACOSX/._x.JPEG": b"",
            "@eaDir/x.JPEG": b"",
            "train/n01440764/x.JPEG": b"",
            "README.txt": b"",
            f"{WNIDS[1]}/._x.JPEG": b"",
            f"{WNIDS[1]}/Thumbs.db": b"",
            f"{WNIDS[1]}/deeper/x.JPEG": b"",
        },
    )
    dataset = open_dataset(tmp_path)
    assert [sample.label for sample in dataset.samples] == [1, 1, 3, 3]
    assert dataset.ignored == 8


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, ["holds nothing", "n01440764"]),
        ({"n01440764/note.txt": b""}, ["n01440764 holds no images"]),
        ({"n00000001/x.JPEG": b""}, ["n00000001", "none of the 1000"]),
        ({"0/x.JPEG": b"", "1/x.JPEG": b""}, ["2 folders named by numbers", '"0"', "wnid"]),
        ({"tench/x.JPEG": b""}, ['"tench"', "wnid"]),
        ({"n01440764/x.JPEG": b"", "extra/y.JPEG": b""}, ['"extra"']),
        ({"n01440764/x.JPEG": b"", "y.JPEG": b""}, ["y.JPEG", "beside the class folders"]),
        ({"train/n01440764/x.JPEG": b""}, ["holds train", "class folders"]),
        (
            {f"{wnid}/ILSVRC2012_val_00000001.JPEG": b"" for wnid in WNIDS[:2]},
            ["duplicate", WNIDS[0], WNIDS[1], "the same image"],
        ),
    ],
)
def test_refusals(tmp_path: Path, files: dict[str, bytes], words: list[str]) -> None:
    message = refusal(write_files(tmp_path, files))
    assert all(word in message for word in words), message


def test_stems_that_repeat_give_way_to_paths(tmp_path: Path) -> None:
    write_files(tmp_path, {f"{wnid}/1.png": b"" for wnid in WNIDS[:2]})
    assert [sample.image_id for sample in open_dataset(tmp_path).samples] == [f"{w}/1.png" for w in WNIDS[:2]]


@pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to])
def test_a_file_that_is_there_twice_is_refused(tmp_path: Path, link: Callable[[Path, Path], None]) -> None:
    write_files(tmp_path, class_files([0]))
    link(tmp_path / WNIDS[0] / "alias.JPEG", tmp_path / WNIDS[0] / "ILSVRC2012_val_00000001.JPEG")
    assert "duplicate" in refusal(tmp_path)


def test_a_class_that_is_a_link_to_another_is_refused(tmp_path: Path) -> None:
    write_files(tmp_path, {f"{WNIDS[0]}/x.JPEG": b""})
    (tmp_path / WNIDS[1]).symlink_to(tmp_path / WNIDS[0])
    assert "duplicate" in refusal(tmp_path)


def test_links_to_files_elsewhere_are_fine_and_loops_end(tmp_path: Path) -> None:
    write_files(tmp_path / "store", {"1": jpeg(1), "2": jpeg(2)})
    folder = tmp_path / "set" / WNIDS[7]
    folder.mkdir(parents=True)
    (folder / "a.JPEG").symlink_to(tmp_path / "store" / "1")
    (folder / "b.JPEG").symlink_to(tmp_path / "store" / "2")
    (folder / "up").symlink_to(tmp_path / "set")
    dataset = open_dataset(tmp_path / "set")
    assert [dataset.read(sample) for sample in dataset.samples] == [jpeg(1), jpeg(2)]
    assert dataset.ignored == 1
    (folder / "self").symlink_to(folder / "self")
    assert "cannot read" in refusal(tmp_path / "set")


def test_a_link_to_nowhere_is_a_sample_that_cannot_be_read(tmp_path: Path) -> None:
    write_files(tmp_path, class_files([0]))
    (tmp_path / WNIDS[0] / "lost.JPEG").symlink_to(tmp_path / "nowhere")
    dataset = open_dataset(tmp_path)
    assert len(dataset.samples) == 3
    with pytest.raises(OSError, match=r"lost\.JPEG"):
        dataset.read(dataset.samples[-1])


def test_labels_for_a_dataset_that_has_its_own_are_refused(tmp_path: Path) -> None:
    write_files(tmp_path / "set", class_files([0]))
    (tmp_path / "labels.csv").write_text("x,0\n")
    with pytest.raises(UsageError, match="has its own labels"):
        open_dataset(tmp_path / "set", tmp_path / "labels.csv")


def test_photos1000(shared_data: Path) -> None:
    dataset = open_dataset(shared_data / "photos1000")
    with (shared_data / "photos1000" / "photos1000.csv").open() as file:
        expected = {row["image_id"]: int(row["label"]) for row in csv.DictReader(file)}
    assert labels_by_id(dataset) == expected
    assert len(set(expected.values())) == 430
    assert (dataset.name, dataset.n_expected, dataset.ignored) == ("photos1000", 1000, 0)
    assert dataset.partial == "1,000 images, not the 50,000 of ImageNet val"
