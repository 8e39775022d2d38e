"""Crops on their way to the device, and scores on theirs back: on CUDA while another batch is scored."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace

import torch

from repro.evaluation.ahead import one_ahead
from repro.evaluation.loading import LoadedBatch
from repro.evaluation.predict import Scores


def on_device(batches: Iterable[LoadedBatch], device: str) -> Iterator[LoadedBatch]:
    """The batches, their crops on the device."""
    if device == "cuda":
        return (_ready(*begun) for begun in one_ahead(_begin_copies(batches, device)))
    return (_copied(batch, device) for batch in batches)


class Waits:
    """How long what computes had nothing to do, while the next batch was waited for.

    A GPU still scores the batch before then: its own clock tells, by an event in its queue before the wait
    and one behind it, which are as far apart as it had nothing between them.
    """

    def __init__(self, device: str) -> None:
        self.on_gpu = device == "cuda"
        self._seconds = 0.0
        self._events: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """Around a wait for a batch."""
        if not self.on_gpu:
            asked = time.perf_counter()
            yield
            self._seconds += time.perf_counter() - asked
            return
        asked_for, came = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        asked_for.record()
        yield
        came.record()
        self._events.append((asked_for, came))

    def seconds(self) -> float:
        """So far; waits for the GPU to come to the last of them."""
        for asked_for, came in self._events:
            came.synchronize()
            self._seconds += asked_for.elapsed_time(came) / 1e3  # milliseconds
        self._events = []
        return self._seconds


def fetch(scores: Scores) -> Callable[[], Scores]:
    """Begins to copy scores to the CPU; what it returns waits for them, and for nothing begun later."""
    if scores.rank.device.type != "cuda":
        return lambda: scores
    there = (getattr(scores, field.name) for field in fields(scores))
    here = Scores(*(tensor.to("cpu", non_blocking=True) for tensor in there))  # in page-locked memory
    done = torch.cuda.current_stream().record_event()

    def wait() -> Scores:
        done.synchronize()
        return here

    return wait


def _begin_copies(
    batches: Iterable[LoadedBatch], device: str
) -> Iterator[tuple[LoadedBatch, torch.cuda.Event]]:
    """Each batch on its way, on a stream of its own, and the event of its arrival.

    The stream that scores waits for the copy (an event orders the two), and the allocator is told that
    this stream uses the crops, so that their memory goes to no other copy before it has. Page-locked
    memory is freed by torch only after the copies that it was given to.
    """
    copying = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    for batch in batches:
        with torch.cuda.stream(copying):
            copied = _copied(batch, device, pinned=True)
            done = copying.record_event()
        yield copied, done


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
