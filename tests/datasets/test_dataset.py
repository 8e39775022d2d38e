from __future__ import annotations

import multiprocessing
import pickle
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from repro.datasets import Dataset, limit, open_dataset
from repro.datasets.class_folders import ClassFolders
from repro.datasets.decode import decode
from repro.exceptions import DataRefused, Unavailable, UsageError
from repro.specs import Sample
from tests.datasets.building import class_files, refusal, write_files, write_shard, write_tar

VAL = [Sample(f"ILSVRC2012_val_{i + 1:08d}", f"{i}", i % 1000) for i in range(50_000)]


def folders(samples: list[Sample]) -> Dataset:
    return ClassFolders.from_samples(samples, root=Path("/val"), kind="class folders", labels_from="")


@pytest.mark.parametrize(
    ("dataset", "partial"),
    [
        (folders(VAL), ""),
        (folders([s for s in VAL if s.label != 500]), "49,950 of 50,000 images, 999 of 1000 classes"),
        (folders(VAL[1:]), "49,999 of 50,000 images, 1000 of 1000 classes"),
        (folders([replace(VAL[0], label=1), *VAL[1:]]), "50,000 images, but not 50 of each class"),
        (limit(folders(VAL), 2000), "2,000 of 50,000 images (sampled, seed 0), 1000 of 1000 classes"),
        (folders([replace(VAL[0], image_id="x"), *VAL[1:]]), "50,000 images, not the 50,000 of ImageNet val"),
    ],
)
def test_only_the_whole_validation_set_is_whole(dataset: Dataset, partial: str) -> None:
    assert dataset.partial == partial


def test_no_sample_and_the_same_sample_twice_are_refused() -> None:
    with pytest.raises(DataRefused, match="no images"):
        folders([])
    with pytest.raises(DataRefused, match="duplicate: image ILSVRC2012_val_00000001 is 2 times"):
        folders([VAL[0], VAL[0]])


def datasets(tmp_path: Path) -> list[Dataset]:
    files = class_files([3, 5])
    rows = [(data, name, label) for (name, data), label in zip(files.items(), (3, 3, 5, 5), strict=True)]
    return [
        open_dataset(write_files(tmp_path / "folders", files)),
        open_dataset(write_tar(tmp_path / "val.tar", files.items())),
        open_dataset(write_shard(tmp_path / "val.parquet", rows, row_group_size=3)),
    ]


def test_every_kind_gives_the_same_images(tmp_path: Path) -> None:
    contents = [[(s.image_id, s.label, d.read(s)) for s in d.samples] for d in datasets(tmp_path)]
    assert contents[0] == contents[1] == contents[2]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_every_kind_is_read_in_other_processes(tmp_path: Path, method: str) -> None:
    with multiprocessing.get_context(method).Pool(1) as pool:
        for dataset in datasets(tmp_path):
            assert pickle.loads(pickle.dumps(dataset)) == dataset
            assert pool.map(dataset.read, dataset.samples) == [dataset.read(s) for s in dataset.samples]


def test_opened_again_at_its_root_it_is_the_same(tmp_path: Path) -> None:
    for dataset in datasets(tmp_path):
        assert open_dataset(dataset.root) == dataset


@pytest.mark.skipif(find_spec("foolbox") is None, reason="package foolbox is not installed")
def test_photos20() -> None:
    dataset = open_dataset()
    assert [sample.label for sample in dataset.samples][:3] == [243, 559, 438]
    assert {decode(dataset.read(sample)).mode for sample in dataset.samples} == {"RGB"}
    assert (dataset.name, dataset.n_expected, dataset.labels_from) == ("photos20", 20, "file names")
    assert dataset.partial == "20 images, not the 50,000 of ImageNet val"
    assert open_dataset(dataset.root) == dataset


def test_photos20_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("repro.datasets.photos20.package_folder", lambda name: None)
    with pytest.raises(Unavailable) as caught:
        open_dataset()
    assert caught.value.hint == "pip install foolbox"


def test_paths_that_are_no_dataset(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file or folder: nowhere"):
        open_dataset(Path("nowhere"))
    write_files(tmp_path, {"notes.txt": b"hello", "a": b"", "b": b"", "c": b""})
    assert f"{tmp_path} holds a, b, c and 1 more; a dataset is" in refusal(tmp_path)
    assert "neither a tar archive nor a Parquet file" in refusal(tmp_path / "notes.txt")


def test_a_relative_path_holds_in_other_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(tmp_path / "set", class_files([0]))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    dataset = open_dataset(Path("../set"))
    monkeypatch.chdir("/")
    assert (dataset.root, len(dataset.read(dataset.samples[0])) > 0) == (tmp_path / "set", True)


def test_a_name_that_no_record_could_hold_is_refused_before_any_work(tmp_path: Path) -> None:
    image = "n01440764/cat\udcff.jpg"
    archive = write_tar(tmp_path / "val.tar", [(image, b"1")])
    folder = write_files(tmp_path / "val", {image: b"1"})
    for path in (archive, folder):
        assert refusal(path) == f"{path}: names of images that are not UTF-8: {image!a}; rename them"
    odd = write_files(tmp_path / "photos\udcff", {"cat.jpg": b"1", "labels.csv": b"cat.jpg,1"})
    with pytest.raises(UsageError, match=r"^--data '/.*photos\\udcff' is not UTF-8"):
        open_dataset(odd)
    with pytest.raises(UsageError, match=r"^--labels '/.*labels.csv' is not UTF-8"):
        open_dataset(folder, odd / "labels.csv")
