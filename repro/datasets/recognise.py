"""Looks at a path and picks the kind of dataset that it is."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from repro.catalogue.classes import is_wnid
from repro.catalogue.test_sets import TestSet, find_test_set
from repro.datasets.address import Address, as_address
from repro.datasets.class_folders import ClassFolders
from repro.datasets.dataset import Dataset
from repro.datasets.entries import first_few, require_text
from repro.datasets.files import scan
from repro.datasets.flat_folder import FlatFolder
from repro.datasets.labels import ImageLabels, load_labels
from repro.datasets.parquet import ParquetShards
from repro.datasets.photos20 import Photos20, find_photos
from repro.datasets.shards import find_shards
from repro.datasets.tar import TarArchive
from repro.datasets.test_sets import place_in_test_set
from repro.exceptions import DataRefused, UsageError

_KINDS = "class folders (n01440764 …), ILSVRC2012_val_*.JPEG, *.parquet or a tar archive"

_PACKED = {
    b"\x1f\x8b": "gunzip -k",
    b"BZh": "bunzip2 -k",
    b"\xfd7zXZ": "unxz -k",
    b"\x28\xb5\x2f\xfd": "unzstd",
    b"PK\x03\x04": "unzip",
}
"""First bytes of compressed files, and what unpacks them."""


def open_dataset(
    path: Path | None = None, labels: str | Path | None = None, test_set: str | None = None
) -> Dataset:
    """The dataset at `path`; without one, the 20 photographs of the package `foolbox`.

    Object storage is read where `path` is an `Address`, never for a path that spells one. `labels` is a CSV
    file (`name,label` or `name,wnid`) or the folder of ImageNet's devkit. `test_set` names the published set
    that the images are, or are a part of, where that cannot be recognised.

    Raises:
        UsageError: there is no such path or test set, or labels are given to a dataset that has its own.
        DataRefused: its images or labels cannot be trusted, or are not the test set's; or it is none of
            the kinds known.
        Unavailable: the package of the photographs is not installed.
    """
    known = None if test_set is None else find_test_set(test_set)
    try:
        given = None if labels is None else load_labels(Path(labels))
        dataset = Photos20.open() if path is None else _open_path(path, given, known)
    except OSError as error:
        raise DataRefused(f"cannot read {error.filename or path}: {error.strerror or error}") from error
    if given is not None and dataset.labels_from != given.origin:
        raise UsageError(f"--labels is not needed: {dataset.root} has its own labels ({dataset.labels_from})")
    if not isinstance(dataset, Photos20):
        return place_in_test_set(dataset, known)
    if known is not None:
        raise UsageError(f"--test-set {known.name} needs its images: --data PATH")
    return dataset


def _open_path(path: Path, labels: ImageLabels | None, test_set: TestSet | None) -> Dataset:
    if isinstance(path, Address):
        return _open_address(path)
    # Not resolve(): the hub's cache holds links whose targets have hashes for names.
    root = Path(os.path.abspath(path))  # noqa: PTH100
    require_text("--data", root)
    if root == find_photos():
        return Photos20.open()
    if root.is_dir():
        return _open_folder(root, labels, test_set)
    if root.is_file():  # a pipe would keep us waiting for ever
        return _open_file(root, labels, test_set)
    if address := as_address(path):  # of a run from elsewhere, perhaps: whose it is would learn who asks
        raise UsageError(
            f"{address} is not asked for images unless you name it",
            hint=f"--data {shlex.quote(str(address))}",
        )
    raise UsageError(f"no such file or folder: {path}")


def _open_address(address: Address) -> Dataset:
    if not address.is_dir() or find_shards(address):
        return ParquetShards.open(address)
    raise DataRefused(
        f"{address} holds no *.parquet, nor does {address / 'data'}: there only Parquet shards are read",
        hint="mount it (mount-s3, gcsfuse, rclone mount) for folders and tar archives",
    )


def _open_folder(root: Path, labels: ImageLabels | None, test_set: TestSet | None) -> Dataset:
    places = {place: scan(place) for place in (root, root / "val") if place.is_dir()}
    for place, listing in places.items():
        if any(map(is_wnid, listing.folders)):
            return ClassFolders.open(root, place, test_set)
    if find_shards(root):
        return ParquetShards.open(root)
    for place, listing in places.items():
        if listing.images:
            return FlatFolder.open(root, place, labels)
    for place, listing in places.items():
        if any(scan(place / name).images for name in listing.folders):
            return ClassFolders.open(root, place, test_set)  # by number, or it says what is wrong
    found = sorted(entry.name for entry in root.iterdir())
    raise DataRefused(f"{root} holds {first_few(found) or 'nothing'}; a dataset is {_KINDS}")


def _open_file(path: Path, labels: ImageLabels | None, test_set: TestSet | None) -> Dataset:
    with path.open("rb") as file:
        head = file.read(512)
    for magic, command in _PACKED.items():
        if head.startswith(magic):
            raise DataRefused(f"{path} is compressed; unpack it", hint=f"{command} {shlex.quote(str(path))}")
    if head.startswith(b"PAR1") or path.suffix.lower() == ".parquet":
        return ParquetShards.open(path)
    if head[257:262] == b"ustar" or path.suffix == ".tar":
        return TarArchive.open(path, labels, test_set)
    raise DataRefused(f"{path} is neither a tar archive nor a Parquet file; a dataset is {_KINDS}")
