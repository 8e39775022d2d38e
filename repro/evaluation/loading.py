"""Reading and decoding, in loader processes: each image once, one crop for each distinct geometry."""

from __future__ import annotations

import hashlib
import re
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from PIL.Image import Image
from torch.utils.data import DataLoader

from repro.datasets import Dataset
from repro.datasets.decode import UnreadableImage, decode
from repro.evaluation.preprocess import crop
from repro.evaluation.shards import Batch
from repro.exceptions import ProcessLost
from repro.results.predictions import OK, UNREADABLE
from repro.specs import Geometry, Sample

SILENCE_SECONDS = 120
"""How long a batch may take to load before its process is taken for hanging."""

GeometryT = TypeVar("GeometryT", bound=Geometry)

_LOST = re.compile(r"DataLoader (worker .*(killed by signal|exited unexpectedly)|timed out)")


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
    crops: Mapping[Geometry, torch.Tensor]
    facts: tuple[Facts, ...]


class BatchReader(Generic[GeometryT]):
    """The map from a batch's number to the loaded batch, as torch's DataLoader wants it.

    `make_crop` makes the crop of a geometry, which may be of a kind that only it knows.
    """

    def __init__(
        self,
        dataset: Dataset,
        batches: Sequence[Batch],
        geometries: frozenset[GeometryT],
        make_crop: Callable[[Image, GeometryT], torch.Tensor] = crop,
    ) -> None:
        self.dataset = dataset
        self.batches = batches
        self.geometries = geometries
        self.make_crop = make_crop

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> LoadedBatch:
        batch = self.batches[index]
        images = [self._load(sample) for sample in batch.samples]
        crops: dict[Geometry, torch.Tensor] = {
            g: torch.stack([image_crops[g] for image_crops, _ in images]) for g in self.geometries
        }
        return LoadedBatch(batch, crops, tuple(facts for _, facts in images))

    def _load(self, sample: Sample) -> tuple[dict[GeometryT, torch.Tensor], Facts]:
        sha256 = None
        try:
            data = self.dataset.read(sample)
            sha256 = hashlib.sha256(data).hexdigest()
            image = decode(data)
        except (OSError, UnreadableImage) as error:
            return self._black(), Facts(sha256, None, f"{UNREADABLE}: {error}")
        return {g: self.make_crop(image.rgb, g) for g in self.geometries}, Facts(sha256, image.mode, OK)

    def _black(self) -> dict[GeometryT, torch.Tensor]:
        return {g: torch.zeros(3, g.size_px, g.size_px, dtype=torch.uint8) for g in self.geometries}


def load_batches(reader: BatchReader[Any], workers: int) -> Iterator[LoadedBatch]:
    """The loaded batches in order, read ahead by `workers` processes (0: by this one, when asked for).

    Raises:
        ProcessLost: a loader process was killed, or has been silent for too long.
    """
    loader: DataLoader[LoadedBatch] = DataLoader(
        reader,  # type: ignore[arg-type]  # any object with a length and items will do
        batch_size=None,
        num_workers=workers,
        collate_fn=_as_is,
        worker_init_fn=_leave_interrupts_to_the_parent,
        timeout=SILENCE_SECONDS if workers else 0,
    )
    try:
        yield from loader
    except (RuntimeError, ConnectionError, EOFError) as error:
        # A fault of the code in a loader process comes as the same types, with other words.
        if not workers or (isinstance(error, RuntimeError) and not _LOST.search(str(error))):
            raise
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ProcessLost(
            f"a loader process is lost ({reason}), probably for want of memory; what was finished is kept",
            hint="the same command with --workers 1, or --workers 0",
        ) from error


def _as_is(loaded: Any) -> Any:
    return loaded


def _leave_interrupts_to_the_parent(_worker: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
