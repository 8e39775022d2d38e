"""The crop cache of an evaluation with `--prepare`: what it has is not decoded again, what it lacks is added.

The rows are those of an evaluation without it, byte for byte: a crop is kept under the SHA-256 of its
image's bytes, the geometry, and all that decides pixels.
"""

from __future__ import annotations

import hashlib
import platform
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repro.datasets import Dataset
from repro.datasets import decode as decode_module
from repro.evaluation import preprocess as preprocess_module
from repro.evaluation.crop_reader import CachedBatchReader, CachedLoad
from repro.evaluation.environment import describe_environment
from repro.evaluation.loading import LoadedBatch, load_in_order
from repro.evaluation.scoring import Watcher
from repro.evaluation.shards import Batch
from repro.exceptions import StorageError
from repro.results.crops import CropFolder
from repro.results.runs import file_name
from repro.specs import Geometry, digest


class CropCache:
    """The crops of one dataset in `folder`, under each of `geometries`."""

    def __init__(
        self, folder: Path, dataset: Dataset, geometries: frozenset[Geometry], watcher: Watcher
    ) -> None:
        self.path = folder / file_name(dataset.name)
        self.dataset, self.watcher = dataset, watcher
        self._told: set[Path] = set()
        self.folders = {g: CropFolder(self.path / folder_name(g)) for g in geometries}

    def load(
        self,
        batches: Iterable[Batch],
        image_ids: Sequence[str],
        workers: int,
        hash_all: bool,
        pinned: bool = False,
    ) -> Iterator[LoadedBatch]:
        """The batches in order; each shard's new crops are kept before its last batch is given.

        There must be room for the crops of all `image_ids`. The batches may end early, and be in
        page-locked memory, as those of `load_batches`.

        Raises:
            StorageError: the disk has no room for the crops that are missing, or does not take them.
            ProcessLost: a loader process was killed, or has been silent for too long.
        """
        for folder in self.folders.values():
            folder.load(self.watcher.remade)
        self._make_sure_of_room(image_ids)
        reader = CachedBatchReader(self.dataset, batches, self.folders, hash_all)
        new: dict[Geometry, _Block] = defaultdict(_Block)
        for batch, loaded in zip(reader.batches, load_in_order(reader, workers, pinned), strict=False):
            self._report(loaded.damaged)
            for geometry, crops in loaded.new.items():
                new[geometry].add(batch, loaded, geometry, {crop.position: crop for crop in crops})
            if batch.last:
                for geometry, block in new.items():
                    self.folders[geometry].write(block.crops, block.rows)
                new.clear()
            yield LoadedBatch(batch, loaded.crops, loaded.facts, len(loaded.facts) - loaded.decoded)

    def _report(self, damaged: Mapping[Path, str]) -> None:
        """Tells of a damaged block once; a crop is made anew when it is found to be damaged."""
        for block in damaged.keys() - self._told:
            self._told.add(block)
            self.watcher.remade(damaged[block])

    def _make_sure_of_room(self, image_ids: Sequence[str]) -> None:
        n_missing = {g: int((folder.find(image_ids) < 0).sum()) for g, folder in self.folders.items()}
        n_bytes = sum(n * crop_bytes(geometry) for geometry, n in n_missing.items())
        n_free = shutil.disk_usage(self.path).free
        if n_bytes > n_free:
            raise StorageError(
                f"the crops still to be kept take {n_bytes / 1e9:.1f} GB, and {self.path} has room "
                f"for {n_free / 1e9:.1f} GB",
                hint="--cache DIR on another disk, or the same command without --prepare",
            )
        self.watcher.cached(len(image_ids), max(n_missing.values()), n_bytes, self.path)


class _Block:
    """The new crops of a shard, while its batches come."""

    def __init__(self) -> None:
        self.crops: list[NDArray[np.uint8]] = []
        self.rows: list[dict[str, Any]] = []

    def add(self, batch: Batch, loaded: CachedLoad, geometry: Geometry, new: Mapping[int, Any]) -> None:
        crops = loaded.crops[geometry].numpy()
        for position, crop in new.items():
            facts = loaded.facts[position]
            self.crops.append(crops[position].copy())
            self.rows.append(
                {
                    "image_id": batch.samples[position].image_id,
                    "sha256": facts.sha256,
                    "mode": facts.mode,
                    "status": facts.status,
                    "stamp": crop.stamp,
                    "crop_sha256": crop.crop_sha256,
                }
            )


def crop_bytes(geometry: Geometry) -> int:
    return 3 * geometry.size_px**2


def folder_name(geometry: Geometry) -> str:
    """`224px-0.875-bicubic-center-1a2b3c4d`: the geometry, and a digest of what else decides the pixels."""
    deciding = {
        "geometry": [geometry.size_px, geometry.crop, geometry.interpolation, geometry.crop_mode],
        "jpeg": describe_environment()["jpeg"],
        "machine": platform.machine(),
        "versions": [version(package) for package in ("pillow", "torchvision")],
        # Of the files themselves: a number to be raised by hand would be forgotten.
        "code": [_sha256(str(module.__file__)) for module in (decode_module, preprocess_module)],
    }
    told = f"{geometry.size_px}px-{geometry.crop:g}-{geometry.interpolation}-{geometry.crop_mode}"
    return file_name(told) + f"-{digest(deciding)[:8]}"


def _sha256(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
