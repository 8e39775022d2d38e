"""One pass over a plan's images, in an order of the caller's, through all networks that need them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch

from repro.evaluation.copying import Waits, fetch, on_device
from repro.evaluation.crop_cache import CropCache
from repro.evaluation.environment import default_workers, describe_environment, set_numerics
from repro.evaluation.exact_fast import ExactFast, Lowered
from repro.evaluation.fingerprint import fingerprint
from repro.evaluation.loading import BatchReader, LoadedBatch, load_batches
from repro.evaluation.low_precision import Calibration, count_calibration_shards
from repro.evaluation.manner import PLAIN, Manner, lay_out
from repro.evaluation.memory import batch_fits, fitting
from repro.evaluation.networks import build_network
from repro.evaluation.plan import Candidate, Plan
from repro.evaluation.predict import forward, score, to_rows
from repro.evaluation.scoring import Scorer, Watcher, gather, score_pending
from repro.evaluation.shards import Shard, cut_batches, plan_shards, shard_size
from repro.results.store import RunFolder
from repro.specs import Geometry, Sample

Arrange = Callable[[Sequence[Sample], int], Sequence[Sample]]
"""Puts samples in the order of evaluation, given how many make the first shard."""


@dataclass(frozen=True, slots=True)
class Scoring:
    """A network, the folder of its shards, what sees each once it is finished, and the rows kept before."""

    candidate: Candidate
    network: torch.nn.Module
    folder: RunFolder
    inspect: Callable[[Shard, pa.Table], None]
    recognise: Callable[[pa.Table, Path], None]
    exact_fast: ExactFast | None = None
    precision: str = "fp32"
    """Of all values, where they are of one."""


class ImagePass:
    """What all networks of a pass share: images, shards, numerics, environment.

    Raises:
        UsageError: the device is not there.
    """

    def __init__(self, plan: Plan, arrange: Arrange) -> None:
        self.plan, self.request, self.dataset = plan, plan.request, plan.dataset
        self.numerics = set_numerics(self.request.device, self.request.batch_size, self.request.threads)
        self.environment = describe_environment()
        samples = arrange(self.dataset.samples, shard_size(self.numerics.batch_size))
        self.shards = plan_shards(samples, self.numerics.batch_size)
        self.n_cached = 0
        """Images so far whose crops came from a cache."""
        self.waits: Waits | None = None
        """For the next batch, so far; None: none was asked for here."""

    @property
    def overlaps(self) -> bool:
        """Whether the device computes while this process does something else."""
        return self.numerics.device == "cuda"

    def identity(self, candidate: Candidate, listing: str, manner: Manner = PLAIN) -> str:
        """The fingerprint of the rows that `candidate` gives in this pass."""
        return fingerprint(
            model=candidate.spec.name,
            weights_sha256=candidate.weights.record.sha256,
            protocol=candidate.protocol,
            listing=listing,
            numerics=self.numerics,
            environment=self.environment,
            classes=self.dataset.classes,
            manner=manner.identity(self.numerics.device),
        )

    def build(self, candidate: Candidate, manner: Manner = PLAIN) -> torch.nn.Module:
        """The network with its weights, on the device.

        Raises:
            WeightsRefused: the weights do not fit the network.
            UsageError: the network does not fit in the device's memory.
        """
        network = build_network(candidate.spec, candidate.weights)
        with self._network_fits(candidate):
            network = lay_out(network.to(self.numerics.device), manner.memory_format)
            return Lowered(network, manner.dtype) if manner.dtype else network

    def build_exact_fast(self, candidate: Candidate, network: torch.nn.Module) -> ExactFast:
        """What scores batches by a fast copy of the network, its bound not calibrated yet."""
        n_shards = count_calibration_shards(shard_size(self.numerics.batch_size))
        with self._network_fits(candidate):
            return ExactFast(
                network,
                self.numerics.device,
                candidate.protocol,
                self.dataset.classes,
                Calibration(n_shards),
            )

    def score(self, scorings: Sequence[Scoring], watcher: Watcher) -> None:
        """Scores what is not kept yet, unless an inspection ends the pass by raising.

        Raises:
            UsageError: a batch does not fit in the device's memory.
            StorageError: the disk does not take the results; what was finished is kept.
        """
        load = partial(self.load, geometries_of(scorings), watcher=watcher)
        score_pending(self.scorers(scorings), self.shards, load, watcher, self.overlaps)

    def scorers(self, scorings: Sequence[Scoring]) -> list[Scorer[LoadedBatch]]:
        """What makes and keeps the rows of each network."""
        return [Scorer(s.folder, partial(self._begin_batch, s), s.inspect, s.recognise) for s in scorings]

    def holding(self, folder: RunFolder) -> AbstractContextManager[None]:
        """Holds a run while it is written.

        Raises:
            Busy: another process has it.
        """
        return folder.locked()

    def finish_once(self, _folder: RunFolder, finish: Callable[[], None]) -> None:
        """Calls `finish`, which writes the run of the folder, unless another process of ours does."""
        finish()

    def redo(self, scoring: Scoring, exact_fast: ExactFast, image_ids: Collection[str]) -> None:
        """Computes images in fp32 that were decided at low precision, and keeps their shards anew."""
        again = (
            Shard(shard.index, tuple(sample for sample in shard.samples if sample.image_id in image_ids))
            for shard in self.shards
        )
        kept: dict[str, dict[str, Any]] = {}
        for loaded in self.load(geometries_of([scoring]), [shard for shard in again if shard.samples]):
            whole = self.shards[loaded.batch.shard.index]
            if not kept:
                kept = {row["image_id"]: row for row in gather(scoring.folder, [whole]).to_pylist()}
            with self._batch_fits(scoring):
                kept |= {row["image_id"]: row for row in exact_fast.redo(loaded, kept)}
            if loaded.batch.last:
                rows = pa.Table.from_pylist(list(kept.values()), scoring.folder.schema)
                scoring.folder.write_shard(whole.index, rows)
                kept = {}

    def load(
        self, geometries: frozenset[Geometry], shards: Iterable[Shard], watcher: Watcher | None = None
    ) -> Iterator[LoadedBatch]:
        """The batches of `shards`, their crops on the device; a cache is used where it can be told.

        A shard is asked for no earlier than its first batch is to be read.
        """
        batches = on_device(self._read(geometries, shards, watcher), self.numerics.device)
        self.waits = waits = self.waits or Waits(self.numerics.device)
        while True:
            with batch_fits(self.numerics.batch_size), waits.one_more():
                loaded = next(batches, None)
            if loaded is None:
                return
            self.n_cached += loaded.n_cached
            yield loaded

    def _read(
        self, geometries: frozenset[Geometry], shards: Iterable[Shard], watcher: Watcher | None
    ) -> Iterator[LoadedBatch]:
        batches = cut_batches(shards, self.numerics.batch_size)
        workers = self.request.workers
        if workers is None:
            workers = default_workers(self.numerics.device)
            if isinstance(shards, Sequence):  # none is started that would have nothing to load
                n_images = sum(len(shard.samples) for shard in shards)
                workers = min(workers, -(-n_images // self.numerics.batch_size))
        if self.request.crops is None or watcher is None:
            return load_batches(BatchReader(self.dataset, batches, geometries), workers, self.overlaps)
        cache = CropCache(self.request.crops, self.dataset, geometries, watcher)
        # Where others score too, which shards come here is not known yet: there must be room for all.
        whole = shards if isinstance(shards, Sequence) else self.shards
        image_ids = [image_id for shard in whole for image_id in shard.image_ids]
        return cache.load(batches, image_ids, workers, self.request.hash_images, self.overlaps)

    def _begin_batch(self, scoring: Scoring, loaded: LoadedBatch) -> Callable[[], pa.RecordBatch]:
        """Begins to score one batch with one network; what it returns waits for the rows.

        Exact-fast is whole in the waiting: its bound may follow from the batch before.
        """
        if scoring.exact_fast:
            return partial(self._score_exactly, scoring, scoring.exact_fast, loaded)
        protocol, samples = scoring.candidate.protocol, loaded.batch.samples
        with self._batch_fits(scoring):
            logits = forward(scoring.network, loaded.crops[protocol.geometry], protocol)
            labels = torch.tensor([sample.label for sample in samples])
            scores = fetch(score(logits, labels, self.dataset.classes))
        precisions = [scoring.precision] * len(samples)
        return lambda: to_rows(samples, loaded.facts, scores(), precisions)

    def _score_exactly(self, scoring: Scoring, exact_fast: ExactFast, loaded: LoadedBatch) -> pa.RecordBatch:
        with self._batch_fits(scoring):
            return exact_fast.score(loaded)

    def _batch_fits(self, scoring: Scoring) -> AbstractContextManager[None]:
        return batch_fits(self.numerics.batch_size, f" with {scoring.candidate.spec.name}")

    def _network_fits(self, candidate: Candidate) -> AbstractContextManager[None]:
        return fitting(candidate.spec.name, "end what else uses the memory, or --device cpu")


def geometries_of(scorings: Sequence[Scoring]) -> frozenset[Geometry]:
    """The crops that these networks need of an image."""
    return frozenset(s.candidate.protocol.geometry for s in scorings)
