"""Images to train on: folders and Parquet give the same; what is not two whole splits is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from repro.datasets import training_images
from repro.datasets.decode import UnreadableImage
from repro.datasets.training_images import open_training_images
from repro.exceptions import DataRefused, UsageError

NAMES = ("cat", "dog")


def make_folders(root: Path) -> Path:
    for split, n in (("train", 3), ("val", 1)):
        for name in NAMES:
            folder = root / split / name
            folder.mkdir(parents=True)
            for i in range(n):
                (folder / f"{i}.png").write_bytes(f"{split} {name} {i}".encode())
    return root


def write_shard(
    path: Path, labels: list[int | None], names: tuple[str, ...] = NAMES, column: str = "image"
) -> None:
    images = [{"bytes": f"{path.stem} {i}".encode(), "path": None} for i in range(len(labels))]
    image_type = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    table = pa.table({column: pa.array(images, image_type), "label": pa.array(labels, pa.int64())})
    features = {"info": {"features": {"label": {"names": list(names)}}}}
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(
        table.replace_schema_metadata({"huggingface": json.dumps(features)}), path, row_group_size=2
    )


def test_folders(tmp_path: Path) -> None:
    train, held_out = open_training_images(make_folders(tmp_path))
    assert (train.classes, train.labels, held_out.labels) == (NAMES, (0, 0, 0, 1, 1, 1), (0, 1))
    assert train.read(4) == b"train dog 1"
    assert held_out.read(0) == b"val cat 0"


def test_parquet(tmp_path: Path) -> None:
    for shard, labels in enumerate([[0, 1, 1], [1, 0]]):
        write_shard(tmp_path / f"train-{shard:05d}-of-00002.parquet", labels)
    write_shard(tmp_path / "test-00000-of-00001.parquet", [1, 0])
    train, held_out = open_training_images(tmp_path)
    assert (train.classes, train.labels, held_out.labels) == (NAMES, (0, 1, 1, 1, 0), (1, 0))
    assert [train.read(i) for i in (0, 2, 3)] == [
        b"train-00000-of-00002 0",
        b"train-00000-of-00002 2",
        b"train-00001-of-00002 0",
    ]


def test_parquet_as_the_hub_has_cifar10(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write_shard(tmp_path / "plain_text" / f"{split}-00000-of-00001.parquet", [0, 1], column="img")
    train, held_out = open_training_images(tmp_path)
    assert train.read(1) == b"train-00000-of-00001 1"
    assert held_out.read(0) == b"test-00000-of-00001 0"


def paint(root: Path) -> Path:
    for split in ("train", "val"):
        for colour in ("red", "blue"):
            (root / split / colour).mkdir(parents=True)
            Image.new("RGB", (8, 8), colour).save(root / split / colour / "0.png")
    return root


def test_a_small_split_is_decoded_once(tmp_path: Path) -> None:
    train, _ = open_training_images(paint(tmp_path))
    first = train.decoded(1)
    assert first.getpixel((0, 0)) == (255, 0, 0)
    (tmp_path / "train" / "red" / "0.png").unlink()
    assert train.decoded(1) is first
    with pytest.raises(UnreadableImage):
        (tmp_path / "train" / "blue" / "0.png").write_bytes(b"no image")
        train.decoded(0)


def test_a_large_split_is_not_held_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_images, "KEPT_BYTES", 2 * 8 * 8 * 4 - 1)
    train, _ = open_training_images(paint(tmp_path))
    train.decoded(1)
    (tmp_path / "train" / "red" / "0.png").unlink()
    with pytest.raises(OSError, match="No such file"):
        train.decoded(1)


def test_cifar10(shared_data: Path) -> None:
    train, held_out = open_training_images(shared_data / "cifar10")
    assert (len(train), len(held_out), len(train.classes)) == (50_000, 10_000, 10)
    assert train.read(49_999)[:2] in (b"\xff\xd8", b"\x89P")


def test_the_listing_changes_with_the_images(tmp_path: Path) -> None:
    before = open_training_images(make_folders(tmp_path))[0].listing
    assert open_training_images(tmp_path)[0].listing == before
    (tmp_path / "train" / "cat" / "9.png").write_bytes(b"one more")
    assert open_training_images(tmp_path)[0].listing != before


@pytest.mark.parametrize("parquet", [False, True])
def test_the_listing_is_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parquet: bool) -> None:
    """A study asks each of its trainings again and again who it is."""
    if parquet:
        for split in ("train", "test"):
            write_shard(tmp_path / f"{split}-00000-of-00001.parquet", [0, 1])
    images, _ = open_training_images(tmp_path if parquet else make_folders(tmp_path))
    listing = images.listing
    monkeypatch.delattr(training_images, "digest")
    assert images.listing == listing


def test_what_is_not_two_whole_splits_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder: nowhere"):
        open_training_images(Path("nowhere"))
    with pytest.raises(DataRefused, match="holds nothing; needs train/ and val/"):
        open_training_images(tmp_path)
    root = make_folders(tmp_path / "folders")
    (root / "train" / "bird").mkdir()
    with pytest.raises(DataRefused, match="classes of one split alone, or in another order: bird"):
        open_training_images(root)
    (root / "val" / "bird").mkdir()
    with pytest.raises(DataRefused, match="no image of class bird"):
        open_training_images(root)


def test_parquet_that_cannot_be_trusted_is_refused(tmp_path: Path) -> None:
    write_shard(tmp_path / "train-00000-of-00001.parquet", [0, None])
    with pytest.raises(DataRefused, match=r"has splits train; needs validation or val or test|has no label"):
        open_training_images(tmp_path)
    write_shard(tmp_path / "train-00000-of-00001.parquet", [0, 2])
    write_shard(tmp_path / "test-00000-of-00001.parquet", [0, 1])
    with pytest.raises(DataRefused, match="label 2, but 2 classes are declared"):
        open_training_images(tmp_path)
