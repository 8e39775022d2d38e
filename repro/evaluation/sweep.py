"""One sweep, start to end: every variation of a run's protocol, on some of its images, in one pass.

An image is read and decoded once, cropped once for each distinct view, and the crops go through the
network once for each setting. What is scored is kept variation by variation, shard by shard.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import partial

import pyarrow as pa
import torch

from repro.evaluation.environment import describe_code, describe_environment, set_numerics
from repro.evaluation.loading import BatchReader, LoadedBatch, load_batches
from repro.evaluation.memory import batch_fits
from repro.evaluation.networks import build_network
from repro.evaluation.predict import score, to_rows
from repro.evaluation.run_weights import locate_run_weights
from repro.evaluation.scoring import Scorer, Watcher, gather, score_pending
from repro.evaluation.settings import SettingPredictor, crop_view
from repro.evaluation.shards import Shard, cut_batches, plan_shards
from repro.evaluation.sweep_plan import SweepPlan
from repro.evaluation.variations import Setting
from repro.exceptions import DataRefused
from repro.results.predictions import OK
from repro.results.runs import file_name
from repro.results.store import RunFolder
from repro.results.sweeps import IMAGE_FIELDS, OWN, Sweep, SweepRecord, read_sweep, write_sweep
from repro.specs import digest

SHARD_IMAGES = 64
"""What a kill can cost: an image costs a forward pass for every variation."""

BATCH_IMAGES = 32
"""At most: the crops of all views of a batch are in memory together."""

LOADER_PROCESSES = {"cpu": 0, "cuda": 4, "mps": 2}
"""Few: a batch comes with all its views, and on a CPU decoding is the smallest part."""


def sweep(plan: SweepPlan, watcher: Watcher) -> Sweep:
    """Tries every variation of the plan; what was finished before is not repeated.

    Raises:
        UsageError: the device is not there.
        DataRefused: the images are not there, or not those of the run.
        WeightsRefused: the weights are not those of the run.
        StorageError: the disk does not take the results; what was finished is kept.
        Busy: another process does the same sweep.
    """
    return read_sweep(plan.path, plan.key) or _Sweeping(plan, watcher).run()


class _Sweeping:
    """What all the variations of one sweep share: images, network, shards, environment."""

    def __init__(self, plan: SweepPlan, watcher: Watcher) -> None:
        self.plan, self.watcher, self.started = plan, watcher, datetime.now(UTC)
        self.dataset = plan.open_dataset()
        batch_size = plan.request.batch_size or min(plan.record.known_numerics.batch_size, BATCH_IMAGES)
        self.numerics = set_numerics(plan.request.device, batch_size, None)
        self.environment = describe_environment()
        network = build_network(*locate_run_weights(plan.record)).to(self.numerics.device)
        self.predictor = SettingPredictor(network, self.numerics.device)
        self.stored = plan.stored_classes()
        self.shards = plan_shards(self.dataset.samples, batch_size, SHARD_IMAGES)

    def run(self) -> Sweep:
        with RunFolder(self.plan.path, self.plan.key).locked():
            if found := read_sweep(self.plan.path, self.plan.key):
                return found  # another process has just finished it
            settings = self.plan.settings()
            untried = self.predictor.why_not(settings, settings[OWN])
            self.settings = {name: s for name, s in settings.items() if name not in untried}
            scorers = {
                name: Scorer(self._folder(name, setting), partial(self._begin_batch, setting))
                for name, setting in self.settings.items()
            }
            score_pending(list(scorers.values()), self.shards, partial(self._load, scorers), self.watcher)
            rows = self._lay_side_by_side({name: scorer.folder for name, scorer in scorers.items()})
            finished = write_sweep(self.plan.path, Sweep(self._describe(rows, untried), rows))
            for scorer in scorers.values():
                shutil.rmtree(scorer.folder.path, ignore_errors=True)
        return finished

    def _folder(self, name: str, setting: Setting) -> RunFolder:
        """A variation's shards bear a digest of all that decides them."""
        identity = {
            "run": self.plan.record.fingerprint,
            "setting": asdict(setting),
            "numerics": asdict(self.numerics),
            "environment": self.environment,
            **self.plan.among_classes,
        }
        return RunFolder(self.plan.path / file_name(name), digest(identity))

    def _load(
        self, scorers: Mapping[str, Scorer[LoadedBatch]], shards: Sequence[Shard]
    ) -> Iterator[LoadedBatch]:
        """The batches of `shards`, verified, with the crops on the device that a pending variation needs."""
        views = frozenset(self.settings[name].view for name, scorer in scorers.items() if scorer.pending)
        reader = BatchReader(self.dataset, cut_batches(shards, self.numerics.batch_size), views, crop_view)
        workers = self.plan.request.workers
        for loaded in load_batches(
            reader, LOADER_PROCESSES[self.numerics.device] if workers is None else workers
        ):
            self._refuse_other_images(loaded)
            yield replace(loaded, crops={v: p.to(self.numerics.device) for v, p in loaded.crops.items()})

    def _refuse_other_images(self, loaded: LoadedBatch) -> None:
        for sample, facts in zip(loaded.batch.samples, loaded.facts, strict=True):
            sha256, _ = self.stored[sample.image_id]
            if facts.status != OK or facts.sha256 != sha256:
                fault = "is not the image of the run: its SHA-256 differs"
                raise DataRefused(
                    f"{self.dataset.root}: {sample.path} {fault if facts.sha256 else facts.status}",
                    hint="repro doctor on the images; --data where they lie elsewhere",
                )

    def _begin_batch(self, setting: Setting, loaded: LoadedBatch) -> Callable[[], pa.RecordBatch]:
        with batch_fits(self.numerics.batch_size):
            logits = self.predictor.predict(loaded.crops[setting.view], setting)
        samples = loaded.batch.samples
        labels = torch.tensor([sample.label for sample in samples])
        scores = score(logits, labels, self.plan.record.dataset.classes)
        return partial(to_rows, samples, loaded.facts, scores)

    def _lay_side_by_side(self, folders: Mapping[str, RunFolder]) -> pa.Table:
        """One row an image, in the order of the shards, a column a variation."""
        samples = self.dataset.samples
        stored = [self.stored[sample.image_id] for sample in samples]
        images = [
            [sample.image_id for sample in samples],
            [sha256 for sha256, _ in stored],
            [sample.label for sample in samples],
            [best for _, best in stored],
        ]
        classes = {name: _best_classes(gather(folder, self.shards)) for name, folder in folders.items()}
        fields = [*IMAGE_FIELDS, *(pa.field(name, pa.int16()) for name in classes)]
        return pa.Table.from_arrays(
            [pa.array(values, field.type) for values, field in zip(images, IMAGE_FIELDS, strict=True)]
            + list(classes.values()),
            schema=pa.schema(fields),
        ).sort_by("image_id")

    def _describe(self, rows: pa.Table, untried: Mapping[str, str]) -> SweepRecord:
        plan = self.plan
        return SweepRecord(
            key=plan.key,
            run_id=plan.record.run_id,
            n=rows.num_rows,
            n_run=plan.scored.num_rows,
            seed=plan.request.seed,
            settings={name: asdict(setting) for name, setting in plan.settings().items()},
            untried=untried,
            numerics=self.numerics,
            environment=self.environment,
            code=describe_code(),
            started=self.started.isoformat(timespec="seconds"),
            seconds=round((datetime.now(UTC) - self.started).total_seconds(), 3),
        )


def _best_classes(rows: pa.Table) -> pa.Array:
    """`top5[0]`; null where the logits are not finite."""
    return pa.array([top5[0] if top5 else None for top5 in rows["top5"].to_pylist()], pa.int16())
