from __future__ import annotations

import bz2
import gzip
import io
import lzma
import shlex
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from repro.datasets import open_dataset
from repro.exceptions import DataRefused, UsageError
from tests.datasets.building import (
    WNIDS,
    class_files,
    jpeg,
    labels_by_id,
    refusal,
    val_name,
    write_files,
    write_tar,
)


@pytest.mark.parametrize("prefix", ["", "./", "/", "imagenet/val/"])
def test_class_folders(tmp_path: Path, prefix: str) -> None:
    files = class_files([999, 0, 500])
    path = write_tar(tmp_path / "val.tar", [(prefix + name, data) for name, data in files.items()])
    dataset = open_dataset(path)
    assert [sample.label for sample in dataset.samples] == [
        999,
        999,
        0,
        0,
        500,
        500,
    ]  # as they lie in the file
    assert [dataset.read(sample) for sample in dataset.samples] == list(files.values())
    assert dataset.samples[0].path == prefix.strip("./") + "/" * (len(prefix) > 2) + next(iter(files))
    assert {sample.container for sample in dataset.samples} == {"val.tar"}
    assert (dataset.name, dataset.kind, dataset.root) == ("imagenet-val", "tar of class folders", path)


def test_flat(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "ILSVRC2012_img_val.tar", [(val_name(n), jpeg(n)) for n in (1, 2)])
    (tmp_path / "labels.csv").write_text(f"{val_name(1)},65\n{val_name(2)},970\n")
    dataset = open_dataset(path, tmp_path / "labels.csv")
    assert [sample.label for sample in dataset.samples] == [65, 970]
    assert (dataset.kind, dataset.labels_from) == ("flat tar", "labels.csv")


def test_of_train_and_val_the_archive_gives_what_the_folder_does(tmp_path: Path) -> None:
    splits = {"train": [0, 5, 9], "val": [0, 5]}
    files = {
        f"imagenette/{split}/{WNIDS[c]}/{split}_{c}.JPEG": jpeg(c)
        for split, classes in splits.items()
        for c in classes
    }
    archive = open_dataset(write_tar(tmp_path / "imagenette.tar", files.items()))
    folder = open_dataset(write_files(tmp_path, files) / "imagenette")
    assert labels_by_id(archive) == labels_by_id(folder) == {"val_0": 0, "val_5": 5}
    assert archive.ignored == folder.ignored == 0


def test_class_folders_at_the_root_go_before_those_in_val_as_in_a_folder(tmp_path: Path) -> None:
    names = [f"{WNIDS[0]}/a.JPEG", f"{WNIDS[5]}/b.JPEG", f"val/{WNIDS[0]}/c.JPEG"]
    files = {name: jpeg() for name in names}
    archive = open_dataset(write_tar(tmp_path / "x.tar", files.items()))
    folder = open_dataset(write_files(tmp_path / "x", files))
    assert labels_by_id(archive) == labels_by_id(folder) == {"a": 0, "b": 5}
    assert archive.ignored == folder.ignored == 1


def test_an_image_that_is_there_twice_is_told_as_that(tmp_path: Path) -> None:
    names = [f"{place}/ILSVRC2012_val_00000001.JPEG" for place in "ab"]
    assert "are the same image of ImageNet val" in refusal(
        write_tar(tmp_path / "x.tar", [(name, jpeg()) for name in names])
    )


def test_several_splits_of_which_none_is_val_are_named(tmp_path: Path) -> None:
    files = [(f"{split}/{WNIDS[0]}/{split}.JPEG", jpeg()) for split in ("test", "train")]
    assert "class folders in test, train, and not in one val/" in refusal(
        write_tar(tmp_path / "x.tar", files)
    )


def test_an_image_beside_the_class_folders_of_val_is_no_class(tmp_path: Path) -> None:
    names = [f"train/{WNIDS[0]}/a.JPEG", f"val/{WNIDS[0]}/b.JPEG", "val/c.JPEG"]
    assert 'folder "val"' in refusal(write_tar(tmp_path / "x.tar", [(name, jpeg()) for name in names]))


@pytest.mark.parametrize(
    ("rows", "labels"),
    [
        (["siteA/001.jpg,281", "siteB/001.jpg,5"], [281, 5]),
        (["siteA/001.jpg,281"], None),
        (["001.jpg,281"], None),
        (["elsewhere/001.jpg,281"], None),
        (["siteA/001.jpg,281", "elsewhere/001.jpg,5"], None),
    ],
)
def test_images_of_the_same_file_name_are_labelled_by_path(
    tmp_path: Path, rows: list[str], labels: list[int] | None
) -> None:
    path = write_tar(tmp_path / "two.tar", [("siteA/001.jpg", jpeg(1)), ("siteB/001.jpg", jpeg(2))])
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    if labels is None:
        assert "by full path where file names repeat" in refusal(path, tmp_path / "labels.csv")
    else:
        assert [sample.label for sample in open_dataset(path, tmp_path / "labels.csv").samples] == labels


def test_labels_for_class_folders_are_refused(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "val.tar", class_files([0]).items())
    (tmp_path / "labels.csv").write_text("x,1\n")
    with pytest.raises(UsageError, match="own labels"):
        open_dataset(path, tmp_path / "labels.csv")


def test_an_archive_cut_anywhere_is_refused(tmp_path: Path) -> None:
    files = class_files([0, 1])
    whole = write_tar(tmp_path / "whole.tar", files.items()).read_bytes()
    with tarfile.open(tmp_path / "whole.tar") as archive:
        archive.getmembers()
        end_marker = archive.offset
    path = tmp_path / "cut.tar"
    for size in range(0, len(whole), 512):
        for cut in {size, size + 100}:
            path.write_bytes(whole[:cut])
            if cut < end_marker + 512:
                assert "archive ends early" in refusal(path), cut
            else:
                assert len(open_dataset(path).samples) == len(files)


def test_two_archives_in_one_are_refused(tmp_path: Path) -> None:
    first = write_tar(tmp_path / "1.tar", class_files([0]).items()).read_bytes()
    second = write_tar(tmp_path / "2.tar", class_files([1]).items()).read_bytes()
    (tmp_path / "both.tar").write_bytes(first + second)
    assert "end marker" in refusal(tmp_path / "both.tar")


def test_an_archive_that_shrinks_after_listing_is_an_os_error(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "val.tar", class_files([0]).items())
    dataset = open_dataset(path)
    path.write_bytes(path.read_bytes()[: dataset.samples[-1].position + 10])
    with pytest.raises(OSError, match="archive ends early"):
        dataset.read(dataset.samples[-1])


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([("n01440764/x.JPEG", b"1"), ("n01440764/x.JPEG", b"2")], ["duplicate", "n01440764/x.JPEG"]),
        ([("n01440764/x.JPEG", b"1"), ("./n01440764/x.JPEG", b"2")], ["duplicate"]),
        ([("n01440764/x.JPEG", b"1"), ("y.JPEG", b"2")], ['folder ""']),
        ([("n01440764/x.JPEG", b"1"), ("n00000001/y.JPEG", b"2")], ["n00000001"]),
        ([("n01440764/note.txt", b"1")], ["holds no images"]),
        ([("n01440764.tar", b"1")], ["holds no images"]),
        ([], ["holds no images"]),
    ],
)
def test_refusals(tmp_path: Path, files: list[tuple[str, bytes]], words: list[str]) -> None:
    message = refusal(write_tar(tmp_path / "val.tar", files))
    assert all(word in message for word in words), message


def write_beside_an_image(path: Path, member: dict[str, object]) -> Path:
    with tarfile.open(path, "w") as archive:
        good = tarfile.TarInfo("n01440764/ok.JPEG")
        good.size = len(jpeg())
        archive.addfile(good, io.BytesIO(jpeg()))
        bad = tarfile.TarInfo()
        for attribute, value in member.items():
            setattr(bad, attribute, value)
        archive.addfile(bad)
    return path


@pytest.mark.parametrize(
    "link",
    [
        {"name": "n01440764/link.JPEG", "type": tarfile.SYMTYPE, "linkname": "/etc/passwd"},
        {"name": "n01440764/hard.JPEG", "type": tarfile.LNKTYPE, "linkname": "n01440764/ok.JPEG"},
    ],
    ids=lambda member: member["name"],
)
def test_an_image_that_is_a_link_is_refused(tmp_path: Path, link: dict[str, object]) -> None:
    message = refusal(write_beside_an_image(tmp_path / "val.tar", link))
    assert f"duplicate: {link['name']} is a link to {link['linkname']} in " in message
    assert [path.name for path in tmp_path.iterdir()] == ["val.tar"]


@pytest.mark.parametrize(
    "hostile",
    [
        {"name": "../../n01440764/evil.JPEG", "type": tarfile.REGTYPE},
        {"name": "n01440764/._ok.JPEG", "type": tarfile.SYMTYPE, "linkname": "/etc/passwd"},
        {"name": "n01440764/device.JPEG", "type": tarfile.CHRTYPE},
        {"name": "n01440764/pipe.JPEG", "type": tarfile.FIFOTYPE},
        {"name": "n01440764/._ok.JPEG", "type": tarfile.REGTYPE},
        {"name": "__MACOSX/n01440764/ok.JPEG", "type": tarfile.REGTYPE},
    ],
    ids=lambda member: member["name"],
)
def test_hostile_members_are_ignored_and_nothing_is_written(
    tmp_path: Path, hostile: dict[str, object]
) -> None:
    path = write_beside_an_image(tmp_path / "val.tar", hostile)
    dataset = open_dataset(path)
    assert [sample.path for sample in dataset.samples] == ["n01440764/ok.JPEG"]
    assert (dataset.ignored, dataset.read(dataset.samples[0])) == (1, jpeg())
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("pack", "command"),
    [
        (gzip.compress, "gunzip -k"),
        (bz2.compress, "bunzip2 -k"),
        (lzma.compress, "unxz -k"),
        (lambda data: b"\x28\xb5\x2f\xfd" + data, "unzstd"),
        (lambda data: b"PK\x03\x04" + data, "unzip"),
    ],
)
def test_compressed_archives_are_refused_with_the_command(
    tmp_path: Path, pack: Callable[[bytes], bytes], command: str
) -> None:
    path = tmp_path / "my val.tar.x"
    path.write_bytes(pack(write_tar(tmp_path / "val.tar", class_files([0]).items()).read_bytes()))
    with pytest.raises(DataRefused, match="is compressed") as caught:
        open_dataset(path)
    assert caught.value.hint == f"{command} {shlex.quote(str(path))}"


def test_garbage_called_tar_is_refused(tmp_path: Path) -> None:
    (tmp_path / "val.tar").write_bytes(b"no archive " * 100)
    assert "damaged" in refusal(tmp_path / "val.tar")


def test_unknown_class_beside_known_ones(tmp_path: Path) -> None:
    files = [*class_files([0]).items(), (f"{WNIDS[1]}x/y.JPEG", jpeg())]
    assert f'"{WNIDS[1]}x"' in refusal(write_tar(tmp_path / "val.tar", files))
