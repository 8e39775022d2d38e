"""One training, start to end: `repro train small --data cifar10`.

It goes on after a stop from the last whole epoch, and ends with the weights that it would have had: nothing
random is carried over (`seeds.py`), and the learning rate follows from the number of updates.
"""

from __future__ import annotations

import json
import math
import time
from contextlib import closing, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from timm.scheduler.scheduler_factory import create_scheduler_v2

from repro.datasets.training_images import TrainingImages
from repro.evaluation.environment import describe_code, describe_environment, name_device
from repro.evaluation.memory import fitting
from repro.exceptions import DataRefused, UsageError
from repro.specs import digest
from repro.training.checkpoints import Checkpoint, Row, TrainingFolder
from repro.training.denormals import flushing_denormals
from repro.training.learner import Learner
from repro.training.loading import Loading
from repro.training.log import Log
from repro.training.processes import Processes
from repro.training.recipe import Recipe


class Watcher(Protocol):
    """Sees a training go on, or that another process has it (`held`)."""

    def begin(self, epoch: int, n_epochs: int, n_images: int) -> None: ...
    def trained(self, n_images: int) -> None: ...
    def finished(self, row: Row) -> None: ...
    def held(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Training:
    """What is trained on what, and how; `device` is torch's name of one that is there."""

    recipe: Recipe
    images: TrainingImages
    held_out: TrainingImages
    seed: int = 0
    device: str = "cpu"
    workers: int = 0
    compiled: bool = False

    @property
    def identity(self) -> str:
        """The digest of all that decides the weights.

        Not in it are device, threads, versions and compiling, which move last bits, and the number of
        processes, each of which draws for itself.
        """
        return digest([self.recipe.hash, self.seed, self.images.listing, self.held_out.listing])

    @property
    def name(self) -> str:
        return f"{self.recipe.name}-{self.seed}-{self.identity[:8]}"


def train(
    training: Training, folder: Path, watcher: Watcher, processes: Processes | None = None
) -> dict[str, Any]:
    """Trains in `folder`, or goes on there, or finds it done.

    Returns:
        The record: `log`, `top1` and `n_held_out` of the last evaluation, `seconds`, `diverged`.

    Raises:
        UsageError: recipe and images do not go together, torch cannot compile here, or a batch does not fit.
        DataRefused: an image cannot be read, or there are too few of them.
        StorageError: the disk does not take it; whole epochs are kept.
        Busy: another process trains there.
    """
    processes = processes or Processes()
    _refuse_mismatch(training, processes.count)
    kept = TrainingFolder(folder, training.identity)
    if record := kept.record():
        kept.tidy()
        return record
    with kept.locked() if processes.leads else nullcontext():
        processes.wait()
        if record := kept.record():  # another process may just have finished it
            return record
        with flushing_denormals():
            return _Trainer(training, kept, watcher, processes).run()


def _refuse_mismatch(training: Training, n_processes: int) -> None:
    n_classes, network = len(training.images.classes), training.recipe.network
    if n_classes != network.n_classes:
        raise UsageError(
            f"{training.images.root} has {n_classes} classes, the recipe's network {network.n_classes}",
            hint=f"--set network.n_classes={n_classes}",
        )
    how, augmentation = training.recipe.optimisation, training.recipe.augmentation
    part, left = divmod(how.batch_size, how.accumulate * n_processes)
    if left or not part or ((augmentation.mixup or augmentation.cutmix) and part % 2):
        raise UsageError(
            f"a batch of {how.batch_size} has no {how.accumulate} x {n_processes} equal parts"
            ", of an even number of images where they are mixed",
            hint="--set optimisation.batch_size=…",
        )
    wanted, batch_size = training.recipe.schedule.images_per_epoch, how.batch_size
    if (wanted or len(training.images)) < batch_size or wanted > len(training.images):
        raise DataRefused(
            f"{training.images.root} has {len(training.images):,} images; needs at least one batch "
            f"({batch_size:,}) and as many as schedule.images_per_epoch ({wanted:,})"
        )


class _Trainer:
    """The epochs of a training: what each reads, changes and leaves on disk."""

    def __init__(
        self, training: Training, folder: TrainingFolder, watcher: Watcher, processes: Processes
    ) -> None:
        self.training, self.folder, self.watcher, self.processes = training, folder, watcher, processes
        self.recipe, self.how = training.recipe, training.recipe.optimisation
        self.loading = Loading(
            self.recipe, training.seed, training.workers, processes, pinned=training.device == "cuda"
        )
        checkpoint = folder.load()
        self.log: list[Row] = list(checkpoint.log) if checkpoint else []
        self.learner = Learner(
            self.recipe, training.seed, training.device, processes, checkpoint, training.compiled
        )

    @property
    def updates_per_epoch(self) -> int:
        n = self.recipe.schedule.images_per_epoch or len(self.training.images)
        return n // self.how.batch_size

    @property
    def _smaller(self) -> str:
        return f"--set optimisation.accumulate={2 * self.how.accumulate}"

    def run(self) -> dict[str, Any]:
        with closing(Log(self.folder.path)) if self.processes.leads else nullcontext() as log:
            self._train(log)
        return self._finish()

    def _train(self, log: Log | None) -> None:
        schedule = self.recipe.schedule
        scheduler, _ = create_scheduler_v2(
            self.learner.optimizer,
            sched=schedule.schedule,
            num_epochs=schedule.epochs,
            warmup_epochs=schedule.warmup_epochs,
            warmup_lr=schedule.warmup_rate,
            min_lr=schedule.final_rate,
            step_on_epochs=False,
            updates_per_epoch=self.updates_per_epoch,
        )
        while len(self.log) < schedule.epochs and not self._diverged():
            row = self._epoch(len(self.log), scheduler)
            self.log.append(row)
            if log:
                log.write(self.log)  # first: a training that is resumed after its last checkpoint writes none
                self.folder.save(Checkpoint(self.learner.tensors(), self.log, self.learner.updates))
            self.watcher.finished(row)

    def _epoch(self, epoch: int, scheduler: Any) -> Row:
        began = time.perf_counter()
        n_images = self.updates_per_epoch * self.how.batch_size
        self.watcher.begin(epoch, self.recipe.schedule.epochs, n_images)
        total = torch.zeros((), device=self.training.device)
        batches = self.loading.train(self.training.images, epoch)
        for _ in range(self.updates_per_epoch):
            scheduler.step_update(self.learner.updates)
            with fitting(f"a batch of {self.how.batch_size} images", self._smaller):
                total += self.learner.update(batches)
            self.watcher.trained(self.how.batch_size)
        loss = self.processes.total(total / self.updates_per_epoch / self.processes.count).item()
        seconds = time.perf_counter() - began
        last = epoch + 1 == self.recipe.schedule.epochs
        due = last or (epoch + 1) % self.recipe.schedule.evaluate_every == 0 or not math.isfinite(loss)
        top1, top5, n = self._evaluate() if due else (None, None, None)
        return {
            "epoch": epoch + 1,
            "learning_rate": self.learner.optimizer.param_groups[0]["lr"],
            "loss": loss if math.isfinite(loss) else None,
            "top1": top1,
            "top5": top5,
            "n_held_out": n,
            "seconds": round(seconds, 3),
            "images_per_second": round(n_images / seconds, 1),
        }

    def _evaluate(self) -> tuple[float, float | None, int]:
        with fitting("a batch of held-out images", self._smaller):
            return self.learner.evaluate(self.loading.held_out(self.training.held_out))

    def _diverged(self) -> bool:
        return bool(self.log) and self.log[-1]["loss"] is None

    def _finish(self) -> dict[str, Any]:
        last = self.log[-1]
        record = {
            "recipe": asdict(self.recipe),
            "seed": self.training.seed,
            "images": str(self.training.images.root),
            "n_images": len(self.training.images),
            "params": sum(p.numel() for p in self.learner.network.parameters() if p.requires_grad),
            "top1": last["top1"],
            "top5": last["top5"],
            "n_held_out": last["n_held_out"],
            "diverged": self._diverged(),
            "seconds": round(sum(float(row["seconds"] or 0) for row in self.log), 3),
            "processes": self.processes.count,
            "device": self.training.device,
            "device_name": name_device(self.training.device),
            "threads": torch.get_num_threads(),
            "compiled": self.training.compiled,
            "environment": describe_environment(),
            "code": describe_code(),
            "log": self.log,
        }
        if self.processes.leads:
            about = {"architecture": json.dumps(asdict(self.recipe.network))}
            self.folder.finish(self.learner.evaluated, about, record)
        self.processes.wait()
        return record
