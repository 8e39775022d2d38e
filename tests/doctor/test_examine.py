"""Every finding of the examination, by a fault planted in painted images."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image

from repro.datasets import open_dataset
from repro.datasets.class_folders import ClassFolders
from repro.doctor.examine import Examination, examine
from repro.doctor.scan import scan_images
from repro.exceptions import ProcessLost, StorageError
from repro.results.manifest import find_manifest
from tests.datasets.building import encode, jpeg, val_name, write_files
from tests.oracle import paint, paint_folders
from tests.proof.image_flips import NoBar, check


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Forty painted images of twenty classes."""
    return paint_folders(tmp_path / "photos", range(0, 100, 5), per_class=2)


def examined(data: Path) -> Examination:
    return examine(open_dataset(data), data.parent / "runs", NoBar())


def finding(examination: Examination, check_name: str) -> tuple[str, str]:
    (found,) = [f for f in examination.findings if f.check == check_name]
    return found.verdict, found.text


def first_image(root: Path) -> Path:
    return sorted(root.rglob("*.JPEG"))[0]


def cut(root: Path) -> None:
    path = first_image(root)
    path.write_bytes(path.read_bytes()[:-40])


def replace_by_text(root: Path) -> None:
    first_image(root).write_text("<html>")


def copy_one(root: Path) -> None:
    shutil.copy(first_image(root), root / "n01440764" / "again.JPEG")


def litter(root: Path) -> None:
    write_files(root, {".cache/x": b"", "n01440764/._x.JPEG": b"", "Thumbs.db": b""})


def add_grey(root: Path) -> None:
    paint(7).convert("L").save(root / "n01440764" / "grey.JPEG")
    paint(8).convert("CMYK").save(root / "n01440764" / "cmyk.JPEG")


def turn_one(root: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    paint(9).save(root / "n01440764" / "turned.JPEG", exif=exif)


def resize_most(root: Path) -> None:
    for path in sorted(root.rglob("*.JPEG"))[1:]:
        with Image.open(path) as image:
            image.resize((256, 300)).save(path)


def square_all(root: Path) -> None:
    for path in root.rglob("*.JPEG"):
        with Image.open(path) as image:
            image.resize((64, 64)).save(path)


def make_pngs(root: Path) -> None:
    for path in root.rglob("*.JPEG"):
        with Image.open(path) as image:
            image.load()
            image.save(path, format="PNG")


FAULTS: list[tuple[Callable[[Path], None], str, str, str]] = [
    (cut, "decoding", "refused", "1 unreadable: n01440764/000_0.JPEG: truncated"),
    (replace_by_text, "decoding", "refused", "not a JPEG or PNG"),
    (copy_one, "content", "refused", "duplicate content: 000_0 = again"),
    (litter, "foreign files", "note", "ignored 3 entries that are no images"),
    (add_grey, "colour modes", "ok", "RGB 40, CMYK 1, L 1"),
    (turn_one, "orientation", "note", "1 images with an EXIF orientation, which is not applied"),
    (resize_most, "originals", "note", "looks pre-resized: the short side of 98 % is exactly 256 px"),
    (square_all, "originals", "note", "looks pre-resized: every image has 64 x 64 px; looks re-encoded"),
    (make_pngs, "originals", "note", "40 PNGs, where ImageNet has JPEGs"),
]


@pytest.mark.parametrize(("plant", "check_name", "verdict", "words"), FAULTS)
def test_a_planted_fault_is_found(
    plant: Callable[[Path], None], check_name: str, verdict: str, words: str, photos: Path
) -> None:
    plant(photos)
    examination = examined(photos)
    found, text = finding(examination, check_name)
    assert found == verdict
    assert words in text
    assert examination.refused == ([check_name] if verdict == "refused" else [])
    assert examination.manifest.exists() == (verdict != "refused")


def test_sound_images_are_let_pass(photos: Path) -> None:
    examination = examined(photos)
    assert {f.check for f in examination.findings if f.verdict == "ok"} == {
        "foreign files",
        "decoding",
        "content",
        "colour modes",
        "orientation",
    }
    assert finding(examination, "images")[1].startswith("PARTIAL: 40 images, not the 50,000 of ImageNet val")
    assert finding(examination, "labels")[1].startswith("order not checkable")


def test_the_manifest_says_what_each_image_is(photos: Path) -> None:
    examination = examined(photos)
    rows = pq.read_table(examination.manifest).to_pylist()
    assert [row["image_id"] for row in rows] == sorted(path.stem for path in photos.rglob("*.JPEG"))
    path = photos / rows[3]["path"]
    assert rows[3]["bytes"] == path.stat().st_size
    with Image.open(path) as image:
        assert (rows[3]["width_px"], rows[3]["height_px"]) == image.size
    assert examination.manifest.name == f"photos-{examination.dataset.listing[:8]}.parquet"
    assert finding(examined(photos), "manifest") == (
        "ok",
        f"every image is as in {examination.manifest.name}",
    )


def test_a_changed_image_is_named_and_the_manifest_stays(photos: Path) -> None:
    manifest = examined(photos).manifest
    kept = manifest.read_bytes()
    paint(3, 61).save(first_image(photos))
    examination = examined(photos)
    assert examination.refused == ["manifest"]
    name = first_image(photos).stem
    assert (
        finding(examination, "manifest")[1] == f"1 image changed since the manifest {manifest.name} ({name})"
    )
    assert manifest.read_bytes() == kept


def test_an_image_that_can_no_longer_be_decoded_has_changed(photos: Path) -> None:
    manifest = examined(photos).manifest
    first_image(photos).write_bytes(first_image(photos).read_bytes()[:-50])
    examination = examined(photos)
    assert examination.refused == ["decoding", "manifest"]
    assert finding(examination, "manifest")[1] == (
        f"1 image changed since the manifest {manifest.name} ({first_image(photos).stem})"
    )


def test_of_an_image_whose_bytes_cannot_be_read_nobody_knows_whether_it_changed(photos: Path) -> None:
    manifest = examined(photos).manifest
    first = first_image(photos)
    first.unlink()
    first.symlink_to(photos / "gone")
    examination = examined(photos)
    assert examination.refused == ["decoding"]
    assert finding(examination, "manifest") == (
        "ok",
        f"every image that is readable is as in {manifest.name}",
    )


def test_no_flipped_bit_of_a_manifest_goes_unnoticed(tmp_path: Path) -> None:
    path = examined(paint_folders(tmp_path / "photos", range(3))).manifest
    whole = path.read_bytes()
    sound = find_manifest(path)
    for position in range(0, len(whole), 13):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << position % 8
        path.write_bytes(damaged)
        try:
            assert find_manifest(path) == sound
        except StorageError as error:
            assert "\n" not in str(error)


def test_flipped_bits_of_photographs_are_found() -> None:
    counted = check(5)
    assert counted["found"] == counted["flips"] == 5


def test_the_official_images_may_repeat(tmp_path: Path) -> None:
    files = {f"n01440764/{val_name(n)}": jpeg() for n in (293, 2138)}
    examination = examined(write_files(tmp_path / "val", files))
    verdict, text = finding(examination, "content")
    assert (verdict, text[:18]) == ("note", "duplicate content:")
    assert not examination.refused


def test_many_images_are_read_by_many_processes_in_order(tmp_path: Path) -> None:
    files = {f"n01440764/{n:03d}.JPEG": encode(Image.new("RGB", (8, 8 + n))) for n in range(130)}
    dataset = open_dataset(write_files(tmp_path / "many", files))
    chunks = list(scan_images(dataset))
    assert [len(chunk) for chunk in chunks] == [64, 64, 2]
    assert [image.sample for chunk in chunks for image in chunk] == list(dataset.samples)
    assert len({image.sha256 for chunk in chunks for image in chunk}) == 130


class Sent(ClassFolders):
    """Refuses to take all its samples to another process."""

    def __getstate__(self) -> dict[str, Any]:
        assert not self.samples
        return self.__dict__


def test_no_process_is_sent_the_samples_of_all(tmp_path: Path) -> None:
    files = {f"n01440764/{n:03d}.JPEG": encode(Image.new("RGB", (8, 8 + n))) for n in range(70)}
    dataset = open_dataset(write_files(tmp_path / "many", files))
    sent = Sent(**{field.name: getattr(dataset, field.name) for field in fields(dataset)})
    assert [len(chunk) for chunk in scan_images(sent)] == [64, 6]


def kill_own_process(_chunk: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_reader_that_is_killed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {f"n01440764/{n:03d}.JPEG": encode(Image.new("RGB", (8, 8 + n))) for n in range(70)}
    monkeypatch.setattr("repro.doctor.scan._scan_chunk", kill_own_process)
    with pytest.raises(ProcessLost, match="a process that reads images is lost"):
        list(scan_images(open_dataset(write_files(tmp_path / "many", files))))
