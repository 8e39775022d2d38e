"""In the loader processes: a crop is taken from the cache where it is the right one, and made where not."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from repro.datasets import Dataset
from repro.datasets.decode import UnreadableImage, decode
from repro.evaluation.loading import BatchReader, Facts, Loaded
from repro.evaluation.preprocess import crop
from repro.evaluation.shards import Batch
from repro.exceptions import StorageError
from repro.results.crops import CropFolder, KeptCrop
from repro.results.predictions import OK, UNREADABLE
from repro.specs import Geometry, Sample

SETTLED_SECONDS = 2
"""A file changed more recently may change again without its times telling: they are no finer everywhere."""

Order = Sequence[tuple[Sample, Mapping[Geometry, KeptCrop]]]


@dataclass(frozen=True, slots=True)
class NewCrop:
    """A crop that the cache lacked, by its position in the batch, and what the cache is to say of it."""

    position: int
    stamp: str
    crop_sha256: str


@dataclass(frozen=True, slots=True)
class CachedLoad(Loaded):
    """`decoded` counts images; `damaged` are the blocks with a crop that is not what was written, and why."""

    new: Mapping[Geometry, tuple[NewCrop, ...]]
    decoded: int
    damaged: Mapping[Path, str]


@dataclass(slots=True)
class _Answer:
    """What becomes a `CachedLoad`, while its images are loaded one after the other."""

    crops: dict[Geometry, NDArray[np.uint8]]
    facts: list[Facts] = field(default_factory=list)
    new: dict[Geometry, list[NewCrop]] = field(default_factory=dict)
    decoded: int = 0
    damaged: dict[Path, str] = field(default_factory=dict)


class CachedBatchReader(BatchReader[Geometry]):
    """Reads what `folders` have; with `hash_all` every image's bytes, too, to know that they are the same."""

    def __init__(
        self,
        dataset: Dataset,
        batches: Iterable[Batch],
        folders: Mapping[Geometry, CropFolder],
        hash_all: bool,
    ) -> None:
        super().__init__(dataset, batches, frozenset(folders))
        self.folders = folders
        self.hash_all = hash_all

    def __getstate__(self) -> dict[str, object]:
        return super().__getstate__() | {"folders": {}}

    def orders(self) -> Iterator[Order]:
        for batch in self.asked:
            image_ids = [sample.image_id for sample in batch.samples]
            numbers = {g: folder.find(image_ids) for g, folder in self.folders.items()}
            yield [
                (sample, {g: kept for g in self.folders if (kept := self.folders[g].crop(numbers[g][i]))})
                for i, sample in enumerate(batch.samples)
            ]

    def __getitem__(self, order: Order) -> CachedLoad:
        shapes = {g: (len(order), 3, g.size_px, g.size_px) for g in self.geometries}
        answer = _Answer({g: np.zeros(shape, np.uint8) for g, shape in shapes.items()})
        for i, (sample, kept) in enumerate(order):
            answer.facts.append(self._answer(answer, i, sample, kept))
        return CachedLoad(
            crops={g: torch.from_numpy(crops) for g, crops in answer.crops.items()},
            facts=tuple(answer.facts),
            new={g: tuple(new) for g, new in answer.new.items()},
            decoded=answer.decoded,
            damaged=answer.damaged,
        )

    def _answer(self, answer: _Answer, i: int, sample: Sample, kept: Mapping[Geometry, KeptCrop]) -> Facts:
        """Adds one image's crops; its bytes are read unless all are kept and the file has their stamp."""
        stamp = stamp_of(self.dataset, sample)
        trusted = {g: one for g, one in kept.items() if stamp and one.stamp == stamp and not self.hash_all}
        found = self._take(answer, i, trusted)
        if self.geometries <= found.keys():
            return _facts_of(found)
        sha256 = None
        try:
            data = self.dataset.read(sample)
            sha256 = hashlib.sha256(data).hexdigest()
            # Also the crops taken by their stamp must be of these bytes.
            found = self._take(answer, i, {g: one for g, one in kept.items() if one.sha256 == sha256})
            if self.geometries <= found.keys():
                return _facts_of(found)
            answer.decoded += 1
            image = decode(data)
        except (OSError, UnreadableImage) as error:
            facts = Facts(sha256, None, f"{UNREADABLE}: {error}")
            made = self._black()
        else:
            facts = Facts(sha256, image.mode, OK)
            made = {g: crop(image.rgb, g) for g in self.geometries - found.keys()}
        for g in self.geometries - found.keys():
            answer.crops[g][i] = made[g].numpy()
            if sha256:  # a file that could not be read at all is tried again each time
                new = NewCrop(i, stamp, hashlib.sha256(answer.crops[g][i]).hexdigest())
                answer.new.setdefault(g, []).append(new)
        return facts

    @staticmethod
    def _take(answer: _Answer, i: int, kept: Mapping[Geometry, KeptCrop]) -> dict[Geometry, KeptCrop]:
        """Those of `kept` that are what was written; their crops are in the answer."""
        taken = {}
        for g, one in kept.items():
            try:
                one.read_into(answer.crops[g][i])
                taken[g] = one
            except StorageError as error:
                answer.damaged[one.block] = str(error)
        return taken


def _facts_of(found: Mapping[Geometry, KeptCrop]) -> Facts:
    one = next(iter(found.values()))
    return Facts(one.sha256, one.mode, one.status)


def stamp_of(dataset: Dataset, sample: Sample) -> str:
    """Path, size and times of the file that holds an image; empty where they cannot vouch for its bytes.

    The time of the last change of the inode is among them: no program sets it, so a file that was
    replaced under its old size and date has another.
    """
    try:
        status = dataset.file_of(sample).stat()
    except OSError:
        return ""
    changed_ns = max(status.st_mtime_ns, status.st_ctime_ns)
    if time.time_ns() - changed_ns < SETTLED_SECONDS * 10**9:
        return ""
    return f"{sample.path} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"
