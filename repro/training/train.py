"""One training, start to end: `repro train small --data cifar10`.

It goes on after a stop from the last whole epoch, and ends with the weights that it would have had: nothing
random is carried over (`seeds.py`), and the learning rate follows from the number of updates.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from timm.data.mixup import Mixup
from timm.loss.cross_entropy import SoftTargetCrossEntropy
from timm.optim._optim_factory import create_optimizer_v2
from timm.scheduler.scheduler_factory import create_scheduler_v2
from timm.utils.model_ema import ModelEmaV3
from torch import Tensor, nn
from torch.nn import functional

from repro.datasets.training_images import TrainingImages
from repro.evaluation.environment import describe_code, describe_environment
from repro.exceptions import DataRefused, UsageError
from repro.metaformer import MetaFormer
from repro.specs import digest
from repro.training.checkpoints import (
    Checkpoint,
    Row,
    TrainingFolder,
    load_optimizer,
    optimizer_tensors,
    pack,
    unpack,
)
from repro.training.loading import Batch, Loading
from repro.training.log import Log
from repro.training.processes import Processes
from repro.training.recipe import Recipe, describe
from repro.training.seeds import seed_all


class Watcher(Protocol):
    """Sees a training go on."""

    def begin(self, epoch: int, n_epochs: int, n_images: int) -> None: ...
    def trained(self, n_images: int) -> None: ...
    def finished(self, row: Row) -> None: ...


@dataclass(frozen=True, slots=True)
class Training:
    """What is trained on what; `device` is torch's name of one that is there."""

    recipe: Recipe
    images: TrainingImages
    held_out: TrainingImages
    seed: int = 0
    device: str = "cpu"
    workers: int = 0

    @property
    def identity(self) -> str:
        """The digest of all that decides the weights, device, threads and versions aside."""
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
        UsageError: recipe and images do not go together.
        DataRefused: an image cannot be read, or there are too few of them.
        StorageError: the disk does not take it; whole epochs are kept.
        Busy: another process trains there.
    """
    processes = processes or Processes()
    _refuse_mismatch(training, processes.count)
    kept = TrainingFolder(folder, training.identity)
    if record := kept.record():
        return record
    with kept.locked() if processes.leads else nullcontext():
        processes.wait()
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
    """The state of a training between two epochs, and how one epoch changes it."""

    def __init__(
        self, training: Training, folder: TrainingFolder, watcher: Watcher, processes: Processes
    ) -> None:
        self.training, self.folder, self.watcher, self.processes = training, folder, watcher, processes
        self.recipe, self.how = training.recipe, training.recipe.optimisation
        self.loading = Loading(self.recipe, training.seed, training.workers, processes)
        seed_all(training.seed, "weights")
        network = MetaFormer(self.recipe.network)
        self.network = network.to(training.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.ema = ModelEmaV3(self.network, self.how.ema_decay) if self.how.ema_decay else None
        self.optimizer = create_optimizer_v2(
            self.network,
            opt=self.how.optimizer,
            lr=self.how.learning_rate,
            weight_decay=self.how.weight_decay,
            eps=self.how.eps,
            betas=self.how.betas,
        )
        self.mixup = _mixup(self.recipe)
        self.log: list[Row] = []
        self.updates = 0
        self._resume()
        self.wrapped = processes.wrap(self.network)

    @property
    def updates_per_epoch(self) -> int:
        n = self.recipe.schedule.images_per_epoch or len(self.training.images)
        return n // self.how.batch_size

    @property
    def evaluated(self) -> nn.Module:
        """The network whose accuracy counts, and whose weights are kept in the end."""
        network: nn.Module = self.ema.module if self.ema else self.network
        return network

    def _resume(self) -> None:
        if (checkpoint := self.folder.load()) is None:
            return
        self.network.load_state_dict(unpack("network", checkpoint.tensors))
        if self.ema:
            self.ema.module.load_state_dict(unpack("ema", checkpoint.tensors))
        load_optimizer(self.optimizer, unpack("optimizer", checkpoint.tensors))
        self.log, self.updates = list(checkpoint.log), checkpoint.updates

    def run(self) -> dict[str, Any]:
        schedule = self.recipe.schedule
        log = Log(self.folder.path) if self.processes.leads else None
        scheduler, _ = create_scheduler_v2(
            self.optimizer,
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
                self._save()
                log.write(self.log)
            self.watcher.finished(row)
        return self._finish()

    def _epoch(self, epoch: int, scheduler: Any) -> Row:
        began = time.perf_counter()
        n_images = self.updates_per_epoch * self.how.batch_size
        self.watcher.begin(epoch, self.recipe.schedule.epochs, n_images)
        self.wrapped.train()
        total = torch.zeros((), device=self.training.device)
        batches = self.loading.train(self.training.images, epoch)
        for _ in range(self.updates_per_epoch):
            scheduler.step_update(self.updates)
            total += self._update(batches)
            self.watcher.trained(self.how.batch_size)
        loss = self.processes.total(total / self.updates_per_epoch / self.processes.count).item()
        seconds = time.perf_counter() - began
        last = epoch + 1 == self.recipe.schedule.epochs
        due = last or (epoch + 1) % self.recipe.schedule.evaluate_every == 0 or not math.isfinite(loss)
        top1, top5, n = self._evaluate() if due else (None, None, None)
        return {
            "epoch": epoch + 1,
            "learning_rate": self.optimizer.param_groups[0]["lr"],
            "loss": loss if math.isfinite(loss) else None,
            "top1": top1,
            "top5": top5,
            "n_held_out": n,
            "seconds": round(seconds, 3),
            "images_per_second": round(n_images / seconds, 1),
        }

    def _update(self, batches: Iterator[Batch]) -> Tensor:
        """One update of the weights by one whole batch; returns the mean loss of this process's part."""
        total = torch.zeros((), device=self.training.device)
        self.optimizer.zero_grad()
        parts = [next(batches) for _ in range(self.how.accumulate)]
        # After loading, which draws numbers of its own where it happens in this process.
        seed_all(self.training.seed, "update", self.updates, self.processes.rank)
        for place, (images, labels) in enumerate(parts):
            last = place + 1 == len(parts)
            with nullcontext() if last or self.processes.count == 1 else self.wrapped.no_sync():  # type: ignore[operator]
                loss = self._loss(*self._to_device(images, labels)) / len(parts)
                loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        if self.how.clip_norm:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.how.clip_norm)
        self.optimizer.step()
        self.updates += 1
        if self.ema:
            self.ema.update(self.network, self.updates)
        return total

    def _loss(self, images: Tensor, labels: Tensor) -> Tensor:
        if self.mixup:
            images, targets = self.mixup(images, labels)
            with self._autocast():
                logits = self.wrapped(images)
            mixed: Tensor = SoftTargetCrossEntropy()(logits.float(), targets)  # type: ignore[no-untyped-call]
            return mixed
        with self._autocast():
            logits = self.wrapped(images)
        smoothing = self.recipe.augmentation.label_smoothing
        return functional.cross_entropy(logits.float(), labels, label_smoothing=smoothing)

    def _autocast(self) -> AbstractContextManager[Any]:
        low = self.how.precision == "bf16"
        return torch.autocast(self.training.device, torch.bfloat16) if low else nullcontext()

    def _to_device(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        device = self.training.device
        return images.to(device, memory_format=torch.channels_last), labels.to(device)

    def _evaluate(self) -> tuple[float, float | None, int]:
        """Top-1 and Top-5 of the held-out images as fractions, and their number; no Top-5 of five classes.

        An image whose logits are not all finite is answered wrongly.
        """
        network = self.evaluated.eval()
        counts = torch.zeros(3, dtype=torch.float64, device=self.training.device)
        k = min(5, self.recipe.network.n_classes)
        with torch.inference_mode():
            for batch in self.loading.held_out(self.training.held_out):
                images, labels = self._to_device(*batch)
                with self._autocast():
                    logits = network(images).float()
                right = logits.topk(k).indices == labels[:, None]
                right &= logits.isfinite().all(dim=1, keepdim=True)
                counts += torch.stack(
                    [right[:, 0].sum(), right.any(dim=1).sum(), labels.new_tensor(len(labels))]
                )
        first, any_of_5, n = self.processes.total(counts).tolist()
        return first / n, any_of_5 / n if k == 5 < self.recipe.network.n_classes else None, int(n)

    def _diverged(self) -> bool:
        return bool(self.log) and self.log[-1]["loss"] is None

    def _save(self) -> None:
        tensors = pack("network", self.network.state_dict())
        if self.ema:
            tensors |= pack("ema", self.ema.module.state_dict())
        tensors |= pack("optimizer", optimizer_tensors(self.optimizer))
        self.folder.save(Checkpoint(tensors, self.log, self.updates))

    def _finish(self) -> dict[str, Any]:
        last = self.log[-1]
        record = {
            "recipe": describe(self.recipe),
            "seed": self.training.seed,
            "images": str(self.training.images.root),
            "n_images": len(self.training.images),
            "params": sum(parameter.numel() for parameter in self.network.parameters()),
            "top1": last["top1"],
            "top5": last["top5"],
            "n_held_out": last["n_held_out"],
            "diverged": self._diverged(),
            "seconds": round(sum(float(row["seconds"] or 0) for row in self.log), 3),
            "processes": self.processes.count,
            "device": self.training.device,
            "threads": torch.get_num_threads(),
            "environment": describe_environment(),
            "code": describe_code(),
            "log": self.log,
        }
        if self.processes.leads:
            about = {"architecture": json.dumps(asdict(self.recipe.network))}
            self.folder.finish(self.evaluated, about, record)
        self.processes.wait()
        return record


def _mixup(recipe: Recipe) -> Mixup | None:
    augmentation = recipe.augmentation
    if not (augmentation.mixup or augmentation.cutmix):
        return None
    return Mixup(  # type: ignore[no-untyped-call]
        mixup_alpha=augmentation.mixup,
        cutmix_alpha=augmentation.cutmix,
        switch_prob=augmentation.switch,
        label_smoothing=augmentation.label_smoothing,
        num_classes=recipe.network.n_classes,
    )
