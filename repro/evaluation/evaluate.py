"""One evaluation, start to end: `repro eval --models poolformer_s24,deit_s --data /data/imagenet/val`.

One pass over the images serves all models: an image is read and decoded once, cropped once for each
distinct geometry, and the crops go through every model that still needs them. What is scored is kept
shard by shard, so a stopped evaluation goes on where it was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import chain

import pyarrow as pa
import torch

from repro.evaluation.canary import check_canary, put_canary_first, reference_top1
from repro.evaluation.complexity import count_complexity
from repro.evaluation.environment import default_workers, describe_code, describe_environment, set_numerics
from repro.evaluation.fingerprint import fingerprint
from repro.evaluation.loading import BatchReader, LoadedBatch, load_batches
from repro.evaluation.networks import build_network
from repro.evaluation.plan import Candidate, Plan
from repro.evaluation.predict import predict, score, to_rows
from repro.evaluation.scoring import Scorer, Watcher, forget_failures, gather, score_pending
from repro.evaluation.shards import Shard, plan_batches, plan_shards, shard_size
from repro.exceptions import UsageError
from repro.results.manifest import NOT_VERIFIED, changed_images, repeated_images
from repro.results.record import Complexity, DatasetRecord, ModelRecord, RunRecord
from repro.results.runs import name_run
from repro.results.store import RunFolder
from repro.results.summary import summarise
from repro.specs import Geometry, digest


@dataclass(frozen=True, slots=True)
class Run:
    """A candidate on its way to a record."""

    candidate: Candidate
    folder: RunFolder
    complexity: Complexity
    network: torch.nn.Module
    started: datetime


def evaluate(plan: Plan, watcher: Watcher) -> list[RunRecord]:
    """Evaluates the plan's models on its images; a run that is whole already is not repeated.

    Returns:
        A record for each model, in the plan's order; `invalid` where an image could not be scored.

    Raises:
        UsageError: the device is not there, or a batch does not fit in its memory.
        WeightsRefused: the weights do not fit the network.
        InvalidRun: the canary shows that labels, weights or preprocessing are wrong.
        StorageError: the disk does not take the results; what was finished is kept.
        Busy: another process evaluates the same.
    """
    return _Evaluation(plan, watcher).run()


class _Evaluation:
    """What all the runs of one evaluation share: images, shards, numerics, environment."""

    def __init__(self, plan: Plan, watcher: Watcher) -> None:
        self.plan, self.request, self.dataset = plan, plan.request, plan.dataset
        self.watcher = watcher
        self.numerics = set_numerics(self.request.device, self.request.batch_size, self.request.threads)
        self.environment = describe_environment()
        size = shard_size(self.numerics.batch_size)
        samples = put_canary_first(self.dataset.samples, size)
        self.shards = plan_shards(samples, self.numerics.batch_size)

    def run(self) -> list[RunRecord]:
        folders = [self._folder(candidate) for candidate in self.plan.candidates]
        with ExitStack() as locks:
            runs = []
            for candidate, folder in zip(self.plan.candidates, folders, strict=True):
                if not folder.is_whole():
                    locks.enter_context(folder.locked())
                if folder.is_whole():  # asked again: another process may just have finished it
                    folder.tidy()
                else:
                    runs.append(self._begin(candidate, folder))
            scorers = [
                Scorer(run.folder, partial(self._score_batch, run), partial(self._inspect, run))
                for run in runs
            ]
            geometries = frozenset(run.candidate.protocol.geometry for run in runs)
            score_pending(scorers, self.shards, partial(self._load, geometries), self.watcher)
            for run in runs:
                self._finish(run)
        return [record for folder in folders if (record := folder.record())]

    def _folder(self, candidate: Candidate) -> RunFolder:
        """The folder whose name carries everything that decides the run's bytes."""
        identity = fingerprint(
            model=candidate.spec.name,
            weights_sha256=candidate.weights.record.sha256,
            protocol=candidate.protocol,
            listing=self.plan.listing,
            numerics=self.numerics,
            environment=self.environment,
            classes=self.dataset.classes,
        )
        name = name_run(candidate.spec.name, self.dataset.name, self.request.protocol_name, identity)
        return RunFolder(self.request.runs / name, identity)

    def _begin(self, candidate: Candidate, folder: RunFolder) -> Run:
        return Run(
            candidate=candidate,
            folder=folder,
            complexity=count_complexity(candidate.spec, self.request.runs),
            network=build_network(candidate.spec, candidate.weights).to(self.numerics.device),
            started=datetime.now(UTC),
        )

    def _load(self, geometries: frozenset[Geometry], shards: Sequence[Shard]) -> Iterator[LoadedBatch]:
        """The batches of `shards`, their crops on the device."""
        reader = BatchReader(self.dataset, plan_batches(shards, self.numerics.batch_size), geometries)
        workers = self.request.workers
        for loaded in load_batches(
            reader, default_workers(self.numerics.device) if workers is None else workers
        ):
            crops = {g: pixels.to(self.numerics.device) for g, pixels in loaded.crops.items()}
            yield replace(loaded, crops=crops)

    def _inspect(self, run: Run, shard: Shard, rows: pa.Table) -> None:
        """Ends an evaluation whose first shard, the canary, shows that it is hopeless."""
        reference = reference_top1(run.candidate.spec, self.dataset)
        if shard.index == 0 and reference is not None and self.request.canary:
            check_canary(run.candidate.spec.name, rows, reference)

    def _score_batch(self, run: Run, loaded: LoadedBatch) -> pa.RecordBatch:
        """The rows of one batch for one model."""
        protocol = run.candidate.protocol
        try:
            logits = predict(run.network, loaded.crops[protocol.geometry], protocol)
        except (RuntimeError, MemoryError) as error:
            if not _is_out_of_memory(error):
                raise
            smaller = max(self.numerics.batch_size // 2, 1)
            raise UsageError(
                f"a batch of {self.numerics.batch_size} images does not fit in memory with "
                f"{run.candidate.spec.name}; try --batch-size {smaller}"
            ) from error
        samples = loaded.batch.samples
        scores = score(logits, torch.tensor([sample.label for sample in samples]), self.dataset.classes)
        return to_rows(samples, loaded.facts, scores)

    def _finish(self, run: Run) -> None:
        """Judges the rows and writes them, with the record, as a finished run."""
        rows = gather(run.folder, self.shards)
        expected = [sample.image_id for sample in self.dataset.samples]
        changed = changed_images(rows, self.plan.manifest)
        # A published set may have images twice, as ImageNet-Sketch has; `repro doctor` notes it.
        repeated = [] if self.dataset.published else repeated_images(rows)
        spec, weights = run.candidate.spec, run.candidate.weights.record
        modes = Counter(mode for mode in rows["image_mode"].to_pylist() if mode)
        record = RunRecord(
            run_id=run.folder.path.name,
            fingerprint=run.folder.fingerprint,
            model=ModelRecord(spec.name, spec.label, spec.token_mixer, str(spec.timm_name), weights),
            protocol_name=self.request.protocol_name,
            protocol=run.candidate.protocol,
            dataset=self._describe_dataset(rows),
            numerics=self.numerics,
            complexity=run.complexity,
            summary=summarise(rows, expected, self.request.allow_unreadable, changed, repeated),
            environment=self.environment,
            code=describe_code(),
            arguments=self.request.arguments,
            started=run.started.isoformat(timespec="seconds"),
            seconds=round((datetime.now(UTC) - run.started).total_seconds(), 3),
            image_modes=dict(sorted(modes.items())),
        )
        if record.status == "invalid":  # first: a kill in between must not keep what failed
            forget_failures(run.folder, self.shards, rows, [*changed, *chain.from_iterable(repeated)])
        run.folder.finish(rows, record)

    def _describe_dataset(self, rows: pa.Table) -> DatasetRecord:
        identity = rows.select(["image_id", "sha256", "label"]).sort_by("image_id").to_pylist()
        return DatasetRecord(
            name=self.dataset.name,
            kind=self.dataset.kind,
            root=str(self.dataset.root),
            n=len(self.dataset.samples),
            n_expected=self.dataset.n_expected,
            n_classes=len({sample.label for sample in self.dataset.samples}),
            partial=self.dataset.partial,
            labels=self.dataset.labels_from,
            digest=digest([list(row.values()) for row in identity]),
            verified=str(self.plan.manifest or NOT_VERIFIED),
            test_set=self.dataset.test_set,
            classes=self.dataset.classes,
        )


def _is_out_of_memory(error: RuntimeError | MemoryError) -> bool:
    """On a CPU torch says so only in words."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)
