"""Reading and decoding, in loader processes: each image once, one crop for each distinct geometry."""

from __future__ import annotations

import gc
import hashlib
import re
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import tee
from multiprocessing import current_process
from typing import Any, Generic, Protocol, Self, TypeVar

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
class Loaded:
    """Uint8 crops `(b, 3, size_px, size_px)` and facts of `b` images; an unreadable one is black there."""

    crops: Mapping[Geometry, torch.Tensor]
    facts: tuple[Facts, ...]

    def pin_memory(self) -> Self:
        """The same in page-locked memory; torch's loader asks for it in a thread of its own."""
        return replace(self, crops={g: pixels.pin_memory() for g, pixels in self.crops.items()})


LoadedT = TypeVar("LoadedT")
LoadedT_co = TypeVar("LoadedT_co", covariant=True)


@dataclass(frozen=True, slots=True)
class LoadedBatch:
    """A batch with its uint8 crops `(b, 3, size_px, size_px)`; an unreadable image is black there.

    `n_cached` counts the images that were not decoded for it.
    """

    batch: Batch
    crops: Mapping[Geometry, torch.Tensor]
    facts: tuple[Facts, ...]
    n_cached: int = 0


class BatchReader(Generic[GeometryT]):
    """Batches in order, and what loads the samples of one, as torch's DataLoader wants it.

    `batches` are asked for one at a time, only as far ahead as is loaded ahead. Loader processes are sent
    the samples of a batch at a time and none of the others.

    `make_crop` makes the crop of a geometry, which may be of a kind that only it knows.
    """

    def __init__(
        self,
        dataset: Dataset,
        batches: Iterable[Batch],
        geometries: frozenset[GeometryT],
        make_crop: Callable[[Image, GeometryT], torch.Tensor] = crop,
    ) -> None:
        self.dataset = dataset
        self.batches, self.asked = tee(batches)
        self.geometries = geometries
        self.make_crop = make_crop

    def __getstate__(self) -> dict[str, Any]:
        """What a loader process needs, where it is started anew instead of forked."""
        return self.__dict__ | {"batches": (), "asked": (), "dataset": replace(self.dataset, samples=())}

    @property
    def forks(self) -> bool:
        return self.dataset.forks

    def orders(self) -> Iterator[Any]:
        """What is asked of the loader processes, batch by batch."""
        return (batch.samples for batch in self.asked)

    def __getitem__(self, samples: Any) -> Loaded:
        images = [self._load(sample) for sample in samples]
        crops: dict[Geometry, torch.Tensor] = {
            g: torch.stack([image_crops[g] for image_crops, _ in images]) for g in self.geometries
        }
        return Loaded(crops, tuple(facts for _, facts in images))

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


class _Reader(Protocol[LoadedT_co]):
    """Orders, and what answers one: the same in a loader process, which is a fork where it `forks`."""

    @property
    def forks(self) -> bool: ...
    def orders(self) -> Iterator[Any]: ...
    def __getitem__(self, order: Any, /) -> LoadedT_co: ...


def load_batches(reader: BatchReader[Any], workers: int, pinned: bool = False) -> Iterator[LoadedBatch]:
    """The loaded batches in order, read ahead by `workers` processes (0: by this one, when asked for).

    With `pinned` their crops are in page-locked memory, from where a GPU copies by itself. They may end
    early, as torch lets a loader do; the images that never came are missing in the run then.

    Raises:
        ProcessLost: a loader process was killed, or has been silent for too long.
    """
    for batch, loaded in zip(reader.batches, load_in_order(reader, workers, pinned), strict=False):
        yield LoadedBatch(batch, loaded.crops, loaded.facts)


def load_in_order(reader: _Reader[LoadedT], workers: int, pinned: bool = False) -> Iterator[LoadedT]:
    """The answers to the reader's orders, as `load_batches` gives them."""
    loader: DataLoader[LoadedT] = DataLoader(
        reader,  # type: ignore[arg-type]  # any object with items will do
        batch_size=None,
        sampler=_Orders(reader),
        num_workers=workers,
        pin_memory=pinned,
        collate_fn=_as_is,
        worker_init_fn=begin_loader,
        timeout=SILENCE_SECONDS if workers else 0,
        multiprocessing_context="spawn" if workers and not reader.forks else None,
    )
    with loaders_lost(workers, "what was finished is kept"):
        yield from loader


@contextmanager
def loaders_lost(workers: int, kept: str) -> Iterator[None]:
    """Tells that one of the `workers` processes that load is gone, and what is `kept`.

    Raises:
        ProcessLost: it was killed, or has been silent for too long.
    """
    try:
        yield
    except (RuntimeError, ConnectionError, EOFError) as error:
        # A fault of the code in a loader process comes as the same types, with other words.
        if not workers or (isinstance(error, RuntimeError) and not _LOST.search(str(error))):
            raise
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ProcessLost(
            f"a loader process is lost ({reason}), probably for want of memory; {kept}",
            hint="the same command with --workers 1, or --workers 0",
        ) from error


def _as_is(loaded: Any) -> Any:
    return loaded


class _Orders:
    """The orders as a sampler of torch's: taken one at a time, only as far ahead as is loaded ahead."""

    def __init__(self, reader: _Reader[Any]) -> None:
        self.reader = reader

    def __iter__(self) -> Iterator[Any]:
        return self.reader.orders()


def begin_loader(_worker: int) -> None:
    """Leaves interrupts to the parent, and its memory shared: a collection of garbage would touch it all.

    A parent that is interrupted while it takes a batch hangs up, of which the thread that hands batches over
    would print a traceback; what else goes wrong there the parent tells.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.excepthook = lambda *_: None
    if getattr(current_process(), "_start_method", "") == "fork":  # its class is not there on Windows
        gc.freeze()
