"""Crops on their way to the device: on CUDA a batch is copied while the one before it is scored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import torch

from repro.evaluation.loading import LoadedBatch


def on_device(batches: Iterable[LoadedBatch], device: str) -> Iterator[LoadedBatch]:
    """The batches, their crops on the device."""
    if device == "cuda":
        return _one_ahead(batches, device)
    return (_copied(batch, device) for batch in batches)


def _one_ahead(batches: Iterable[LoadedBatch], device: str) -> Iterator[LoadedBatch]:
    """Begins to copy a batch, on a stream of its own, before the one before it is given.

    The stream that scores waits for the copy (an event orders the two), and the allocator is told that
    this stream uses the crops, so that their memory goes to no other copy before it has. Page-locked
    memory is freed by torch only after the copies that it was given to.
    """
    copying = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    before: tuple[LoadedBatch, torch.cuda.Event] | None = None
    for batch in batches:
        with torch.cuda.stream(copying):
            copied = _copied(batch, device, pinned=True)
            done = copying.record_event()
        if before is not None:
            yield _ready(*before)
        before = copied, done
    if before is not None:
        yield _ready(*before)


def _ready(batch: LoadedBatch, done: torch.cuda.Event) -> LoadedBatch:
    scoring = torch.cuda.current_stream()
    scoring.wait_event(done)
    for crops in batch.crops.values():
        crops.record_stream(scoring)
    return batch


def _copied(batch: LoadedBatch, device: str, pinned: bool = False) -> LoadedBatch:
    crops = {
        g: (pixels.pin_memory() if pinned else pixels).to(device, non_blocking=pinned)
        for g, pixels in batch.crops.items()
    }
    return replace(batch, crops=crops)
