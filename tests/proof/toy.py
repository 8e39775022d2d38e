"""An evaluation without torch: the product's own store and pass, and rows computed from names.

It does what `repro/evaluation/evaluate.py` does, in the same order; only the network is missing, so
that thousands of evaluations can be begun, broken and taken up again in minutes.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path

import pyarrow as pa

from repro.evaluation.fingerprint import fingerprint
from repro.evaluation.scoring import Scorer, Watcher, gather, score_pending
from repro.evaluation.shards import Batch, Shard, cut_batches
from repro.exceptions import StorageError
from repro.results.predictions import OK, SCHEMA
from repro.results.record import Numerics, RunRecord
from repro.results.runs import name_run
from repro.results.store import RunFolder
from repro.results.summary import summarise
from repro.specs import Protocol, Sample
from tests.analysis.records import run_of

PROTOCOL = Protocol(size_px=224, crop=0.9)


@dataclass(frozen=True)
class Toy:
    """What decides a run's rows, and how its images are cut (a shard of the product has up to 256)."""

    protocol: Protocol = PROTOCOL
    batch_size: int = 2
    n_images: int = 12
    shard_images: int = 4
    pause_seconds: float = 0.0

    @property
    def samples(self) -> tuple[Sample, ...]:
        return tuple(Sample(f"image_{i:04d}", f"{i:04d}.JPEG", i % 1000) for i in range(self.n_images))

    @property
    def numerics(self) -> Numerics:
        return Numerics("cpu", "x86_64", "float32", False, 2, self.batch_size)


@dataclass
class Quiet:
    """A watcher that tells nobody; it remembers which shards were damaged."""

    damaged_paths: list[Path] = field(default_factory=list)

    def begin(self, total: int, kept: int) -> None: ...
    def scored(self, n: int) -> None: ...
    def keep(self, n: int) -> None: ...
    def damaged(self, path: Path, reason: StorageError) -> None:
        self.damaged_paths.append(path)


class Stopped(Exception):
    """As Ctrl-C."""


class StopAfterFirstShard(Quiet):
    def keep(self, n: int) -> None:
        raise Stopped


@dataclass(frozen=True)
class Loaded:
    batch: Batch


@cache
def identity(toy: Toy) -> str:
    return fingerprint(
        model="toy",
        weights_sha256="0" * 64,
        protocol=toy.protocol,
        listing=str(toy.n_images),
        numerics=toy.numerics,
        environment={"python": "3"},
    )


@cache
def cut(toy: Toy) -> tuple[Shard, ...]:
    starts = range(0, toy.n_images, toy.shard_images)
    return tuple(Shard(i, toy.samples[start : start + toy.shard_images]) for i, start in enumerate(starts))


def folder_of(root: Path, toy: Toy) -> RunFolder:
    return RunFolder(root / name_run("toy", "images", "timm", identity(toy)), identity(toy))


def evaluate_toys(root: Path, toys: Sequence[Toy], watcher: Watcher) -> list[RunRecord | None]:
    """One pass for all `toys` (of one batch size), as `evaluate` does it."""
    folders = [folder_of(root, toy) for toy in toys]
    with ExitStack() as locks:
        pending = []
        for toy, folder in zip(toys, folders, strict=True):
            if not folder.is_whole():
                locks.enter_context(folder.locked())
            if folder.is_whole():
                folder.tidy()
            else:
                pending.append((toy, folder))
        scorers = [Scorer(folder, partial(partial, score_batch, toy)) for toy, folder in pending]
        score_pending(scorers, cut(toys[0]), partial(load_batches_of, toys[0]), watcher)
        for toy, folder in pending:
            finish_toy(toy, folder)
    return [folder.record() for folder in folders]


def score_batch(toy: Toy, loaded: Loaded) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([row_of(toy, sample) for sample in loaded.batch.samples], SCHEMA)


@cache
def row_of(toy: Toy, sample: Sample) -> dict[str, object]:
    """The only row a run of `toy` may ever hold for `sample`: another fingerprint, another row."""
    chance = hashlib.sha256(f"{identity(toy)} {sample.image_id}".encode()).digest()
    return {
        "image_id": sample.image_id,
        "path": sample.path,
        "sha256": hashlib.sha256(sample.image_id.encode()).hexdigest(),
        "label": sample.label,
        "status": OK,
        "precision": "fp32",
        "top5": [(chance[0] + 256 * i) % 1000 for i in range(5)],
        "p_top5": [x / 256 for x in sorted(chance[1:6], reverse=True)],
        "p_label": chance[6] / 256,
        "rank": chance[7] % 9,
        "image_mode": "RGB",
    }


def load_batches_of(toy: Toy, shards: Sequence[Shard]) -> Iterator[Loaded]:
    for batch in cut_batches(shards, toy.batch_size):
        time.sleep(toy.pause_seconds)
        yield Loaded(batch)


@cache
def _template() -> RunRecord:
    return run_of("efficientnet_lite0", 0, n=1)


def finish_toy(toy: Toy, folder: RunFolder) -> None:
    rows = gather(folder, cut(toy))
    record = replace(
        _template(),
        run_id=folder.path.name,
        fingerprint=folder.fingerprint,
        protocol=toy.protocol,
        numerics=toy.numerics,
        summary=summarise(rows, [sample.image_id for sample in toy.samples]),
    )
    folder.finish(rows, record)


@dataclass(frozen=True)
class Unbroken:
    """The files of a run that nothing disturbed."""

    shards: dict[str, bytes]
    predictions: bytes
    record: bytes


class _AllKept(Quiet):
    """Stops between the last shard and the end."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.n = n

    def keep(self, n: int) -> None:
        self.n -= n
        if not self.n:
            raise Stopped


def run_unbroken(root: Path, toy: Toy) -> Unbroken:
    """Evaluates in an empty folder."""
    path = folder_of(root, toy).path
    try:
        evaluate_toys(root, [toy], _AllKept(toy.n_images))
    except Stopped:
        shards = {shard.name: shard.read_bytes() for shard in (path / "shards").iterdir()}
    evaluate_toys(root, [toy], Quiet())
    return Unbroken(shards, (path / "predictions.parquet").read_bytes(), (path / "run.json").read_bytes())
