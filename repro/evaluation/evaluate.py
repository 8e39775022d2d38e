"""One evaluation, start to end: `repro eval --models poolformer_s24,deit_s --data /data/imagenet/val`.

One pass over the images serves all models: an image is read and decoded once, cropped once for each
distinct geometry, and the crops go through every model that still needs them. What is scored is kept
shard by shard, so a stopped evaluation goes on where it was.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Protocol

import pyarrow as pa
import torch

from repro.evaluation.complexity import count_complexity
from repro.evaluation.environment import default_workers, describe_code, describe_environment, set_numerics
from repro.evaluation.loading import BatchReader, LoadedBatch, Shard, load_batches, plan_batches, plan_shards
from repro.evaluation.networks import build_network
from repro.evaluation.plan import Candidate, Plan
from repro.evaluation.predict import predict, score, to_rows
from repro.exceptions import UsageError
from repro.results.predictions import OK, SCHEMA
from repro.results.record import DatasetRecord, ModelRecord, Numerics, RunRecord
from repro.results.store import RunFolder, name_run
from repro.results.summary import summarise
from repro.specs import Geometry, digest


class Watcher(Protocol):
    """Who is told how an evaluation goes; counts are of images."""

    def begin(self, total: int, kept: int) -> None: ...
    def scored(self, n: int) -> None: ...
    def keep(self, n: int) -> None: ...


@dataclass(slots=True)
class Run:
    """A candidate on its way to a record: its folder, its network, the shards it still needs."""

    candidate: Candidate
    folder: RunFolder
    started: datetime
    network: torch.nn.Module | None = None
    pending: set[int] = field(default_factory=set)


def evaluate(plan: Plan, watcher: Watcher) -> list[RunRecord]:
    """Evaluates the plan's models on its images; a run that is whole already is not repeated.

    Returns:
        A record for each model, in the plan's order; `invalid` where an image could not be scored.
    """
    request = plan.request
    numerics = set_numerics(request.device, request.batch_size, request.threads)
    environment = describe_environment()
    shards = plan_shards(plan.dataset.samples, numerics.batch_size)
    runs = [_open_run(plan, candidate, numerics, environment) for candidate in plan.candidates]
    with ExitStack() as locks:
        unfinished = [run for run in runs if not _is_whole(run)]
        for run in unfinished:
            locks.enter_context(run.folder.locked())
            run.pending = {s.index for s in shards if run.folder.read_shard(s.index, _ids(s)) is None}
        _score_pending(plan, unfinished, shards, numerics, watcher)
        for run in unfinished:
            _finish(plan, run, shards, numerics, environment)
    return [record for run in runs if (record := run.folder.record())]


def _open_run(plan: Plan, candidate: Candidate, numerics: Numerics, environment: dict[str, str]) -> Run:
    """The folder whose name carries everything that decides the run's bytes."""
    fingerprint = digest(
        {
            "model": candidate.spec.name,
            "weights": candidate.weights.record.sha256,
            "protocol": candidate.protocol.hash,
            "listing": plan.listing,
            "numerics": asdict(numerics),
            "environment": environment,
            "rows": SCHEMA.to_string(),
        }
    )
    name = name_run(candidate.spec.name, plan.dataset.name, plan.request.protocol_name, fingerprint)
    return Run(candidate, RunFolder(plan.request.runs / name, fingerprint), started=datetime.now(UTC))


def _is_whole(run: Run) -> bool:
    record = run.folder.record()
    return record is not None and record.status == "complete"


def _score_pending(
    plan: Plan, runs: Sequence[Run], shards: Sequence[Shard], numerics: Numerics, watcher: Watcher
) -> None:
    """Scores, in one pass, every shard that any of `runs` still needs."""
    needed = [shard for shard in shards if any(shard.index in run.pending for run in runs)]
    n_needed = sum(len(shard.samples) for shard in needed)
    watcher.begin(total=len(plan.dataset.samples), kept=len(plan.dataset.samples) - n_needed)
    if not needed:
        return
    for run in runs:
        if run.pending:
            run.network = build_network(run.candidate.spec, run.candidate.weights).to(numerics.device)
    reader = BatchReader(
        plan.dataset,
        plan_batches(needed, numerics.batch_size),
        frozenset(run.candidate.protocol.geometry for run in runs if run.pending),
    )
    workers = plan.request.workers if plan.request.workers is not None else default_workers(numerics.device)
    rows: defaultdict[str, list[pa.RecordBatch]] = defaultdict(list)
    for loaded in load_batches(reader, workers):
        shard = loaded.batch.shard
        on_device = {g: crops.to(numerics.device) for g, crops in loaded.crops.items()}
        for run in runs:
            if shard.index in run.pending:
                rows[run.folder.fingerprint].append(_score_batch(run, loaded, on_device, numerics))
        watcher.scored(len(loaded.batch.samples))
        if loaded.batch.last:
            for run in runs:
                if shard.index in run.pending:
                    run.folder.write_shard(
                        shard.index, pa.Table.from_batches(rows.pop(run.folder.fingerprint))
                    )
                    run.pending.remove(shard.index)
            watcher.keep(len(shard.samples))


def _score_batch(
    run: Run, loaded: LoadedBatch, on_device: Mapping[Geometry, torch.Tensor], numerics: Numerics
) -> pa.RecordBatch:
    """The rows of one batch for one model."""
    protocol = run.candidate.protocol
    assert run.network is not None  # a run with pending shards has been given its network
    try:
        logits = predict(run.network, on_device[protocol.geometry], protocol)
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise _does_not_fit(run, numerics) from error
    except RuntimeError as error:
        if "can't allocate memory" in str(error):  # what torch raises where a CPU runs out
            raise _does_not_fit(run, numerics) from error
        raise
    samples = loaded.batch.samples
    return to_rows(samples, loaded.facts, score(logits, torch.tensor([sample.label for sample in samples])))


def _does_not_fit(run: Run, numerics: Numerics) -> UsageError:
    smaller = max(numerics.batch_size // 2, 1)
    return UsageError(
        f"a batch of {numerics.batch_size} images does not fit in memory with {run.candidate.spec.name}; "
        f"try --batch-size {smaller}"
    )


def _finish(
    plan: Plan, run: Run, shards: Sequence[Shard], numerics: Numerics, environment: dict[str, str]
) -> None:
    """Judges the rows and writes them, with the record, as a finished run."""
    kept = {shard: run.folder.read_shard(shard.index, _ids(shard)) for shard in shards}
    rows = pa.concat_tables([table for table in kept.values() if table is not None])
    summary = summarise(rows, [s.image_id for s in plan.dataset.samples], plan.request.allow_unreadable)
    spec, weights = run.candidate.spec, run.candidate.weights
    record = RunRecord(
        run_id=run.folder.path.name,
        fingerprint=run.folder.fingerprint,
        model=ModelRecord(spec.name, spec.label, spec.token_mixer, str(spec.timm_name), weights.record),
        protocol_name=plan.request.protocol_name,
        protocol=run.candidate.protocol,
        dataset=_describe_dataset(plan, rows),
        numerics=numerics,
        complexity=count_complexity(spec, plan.request.runs),
        summary=summary,
        environment=environment,
        code=describe_code(),
        arguments=plan.request.arguments,
        started=run.started.isoformat(timespec="seconds"),
        seconds=round((datetime.now(UTC) - run.started).total_seconds(), 3),
        image_modes=dict(sorted(Counter(mode for mode in rows["image_mode"].to_pylist() if mode).items())),
    )
    run.folder.finish(rows, record)
    if record.status == "invalid":
        _forget_failures(run, kept)


def _describe_dataset(plan: Plan, rows: pa.Table) -> DatasetRecord:
    dataset = plan.dataset
    identity = rows.select(["image_id", "sha256", "label"]).sort_by("image_id").to_pylist()
    return DatasetRecord(
        name=dataset.name,
        kind=dataset.kind,
        root=str(dataset.root),
        n=len(dataset.samples),
        n_expected=dataset.n_expected,
        n_classes=len({sample.label for sample in dataset.samples}),
        partial=dataset.partial,
        labels=dataset.labels_from,
        digest=digest([list(row.values()) for row in identity]),
    )


def _forget_failures(run: Run, kept: dict[Shard, pa.Table | None]) -> None:
    """Drops the shards with rows that failed: once their cause is mended, the same command scores them."""
    for shard, rows in kept.items():
        if rows is not None and set(rows["status"].to_pylist()) != {OK}:
            run.folder.drop_shard(shard.index)


def _ids(shard: Shard) -> list[str]:
    return [sample.image_id for sample in shard.samples]
