"""Reading and decoding, in loader processes: each image once, one crop for each distinct geometry."""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import DataLoader

from repro.datasets import Dataset
from repro.datasets.decode import UnreadableImage, decode
from repro.evaluation.preprocess import crop
from repro.evaluation.shards import Batch
from repro.results.predictions import OK, UNREADABLE
from repro.specs import Geometry, Sample


@dataclass(frozen=True, slots=True)
class Facts:
    """What reading an image told: its bytes' SHA-256, its colour mode, `ok` or why it cannot be scored."""

    sha256: str | None
    mode: str | None
    status: str


@dataclass(frozen=True, slots=True)
class LoadedBatch:
    """A batch with its uint8 crops `(b, 3, size_px, size_px)`; an unreadable image is black there."""

    batch: Batch
    crops: dict[Geometry, torch.Tensor]
    facts: tuple[Facts, ...]


class BatchReader:
    """The map from a batch's number to the loaded batch, as torch's DataLoader wants it."""

    def __init__(self, dataset: Dataset, batches: Sequence[Batch], geometries: frozenset[Geometry]) -> None:
        self.dataset = dataset
        self.batches = batches
        self.geometries = geometries

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> LoadedBatch:
        batch = self.batches[index]
        images = [self._load(sample) for sample in batch.samples]
        crops = {g: torch.stack([image_crops[g] for image_crops, _ in images]) for g in self.geometries}
        return LoadedBatch(batch, crops, tuple(facts for _, facts in images))

    def _load(self, sample: Sample) -> tuple[dict[Geometry, torch.Tensor], Facts]:
        sha256 = None
        try:
            data = self.dataset.read(sample)
            sha256 = hashlib.sha256(data).hexdigest()
            image = decode(data)
        except (OSError, UnreadableImage) as error:
            return self._black(), Facts(sha256, None, f"{UNREADABLE}: {error}")
        return {g: crop(image.rgb, g) for g in self.geometries}, Facts(sha256, image.mode, OK)

    def _black(self) -> dict[Geometry, torch.Tensor]:
        return {g: torch.zeros(3, g.size_px, g.size_px, dtype=torch.uint8) for g in self.geometries}


def load_batches(reader: BatchReader, workers: int) -> Iterator[LoadedBatch]:
    """The loaded batches in order, read ahead by `workers` processes (0: by this one, when asked for)."""
    loader: DataLoader[LoadedBatch] = DataLoader(
        reader,  # type: ignore[arg-type]  # any object with a length and items will do
        batch_size=None,
        num_workers=workers,
        collate_fn=_as_is,
        worker_init_fn=_leave_interrupts_to_the_parent,
    )
    return iter(loader)


def _as_is(loaded: Any) -> Any:
    return loaded


def _leave_interrupts_to_the_parent(_worker: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
