"""What learns: a network, its mean over updates, its optimiser; and what one batch changes in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from timm.data.mixup import Mixup
from timm.data.random_erasing import RandomErasing
from timm.loss.cross_entropy import SoftTargetCrossEntropy
from timm.optim._optim_factory import create_optimizer_v2
from timm.utils.model_ema import ModelEmaV3
from torch import Tensor, nn
from torch.nn import functional

from repro.evaluation.preprocess import normalise
from repro.metaformer import MetaFormer
from repro.training.checkpoints import Checkpoint, load_optimizer, optimizer_tensors, pack, unpack
from repro.training.compiling import compile_network
from repro.training.loading import Batch
from repro.training.processes import Processes
from repro.training.recipe import Recipe
from repro.training.seeds import seed_all


class Learner:
    """The network of a recipe, as it begins or as a checkpoint left it, on the device.

    Nothing random is carried from update to update: `updates`, their number so far, seeds each of them.

    Raises:
        UsageError: it is to be `compiled`, which cannot be done here.
    """

    def __init__(
        self,
        recipe: Recipe,
        seed: int,
        device: str,
        processes: Processes,
        checkpoint: Checkpoint | None,
        compiled: bool = False,
    ) -> None:
        self.recipe, self.how = recipe, recipe.optimisation
        self.seed, self.device, self.processes = seed, device, processes
        seed_all(seed, "weights")
        network = MetaFormer(recipe.network)
        self.network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        if device != "cpu" and torch.__version__ < "2.14":
            _pool_contiguously(self.network)
        self.ema = ModelEmaV3(self.network, self.how.ema_decay) if self.how.ema_decay else None
        self.optimizer = create_optimizer_v2(
            self.network,
            opt=self.how.optimizer,
            lr=self.how.learning_rate,
            weight_decay=self.how.weight_decay,
            eps=self.how.eps,
            betas=self.how.betas,
            **_fused(self.how.optimizer),
        )
        self.erasing = _erasing(recipe, device)
        self.mixup = _mixup(recipe)
        self.updates = 0
        if checkpoint:
            self._restore(checkpoint)
        self.wrapped = processes.wrap(compile_network(self.network, device) if compiled else self.network)

    @property
    def evaluated(self) -> nn.Module:
        """The network whose accuracy counts, and whose weights are kept in the end."""
        network: nn.Module = self.ema.module if self.ema else self.network
        return network

    def tensors(self) -> dict[str, Tensor]:
        """All that a checkpoint keeps of it, besides `updates`."""
        tensors = pack("network", self.network.state_dict())
        if self.ema:
            tensors |= pack("ema", self.ema.module.state_dict())
        return tensors | pack("optimizer", optimizer_tensors(self.optimizer))

    def _restore(self, checkpoint: Checkpoint) -> None:
        self.network.load_state_dict(unpack("network", checkpoint.tensors))
        if self.ema:
            self.ema.module.load_state_dict(unpack("ema", checkpoint.tensors))
        load_optimizer(self.optimizer, unpack("optimizer", checkpoint.tensors))
        self.updates = checkpoint.updates

    def update(self, batches: Iterator[Batch]) -> Tensor:
        """One update of the weights by one whole batch; returns the mean loss of this process's part."""
        self.wrapped.train()
        total = torch.zeros((), device=self.device)
        self.optimizer.zero_grad()
        parts = [next(batches) for _ in range(self.how.accumulate)]
        # After loading, which draws numbers of its own where it happens in this process.
        seed_all(self.seed, "update", self.updates, self.processes.rank)
        for place, (images, labels) in enumerate(parts):
            last = place + 1 == len(parts)
            with nullcontext() if last or self.processes.count == 1 else self.wrapped.no_sync():  # type: ignore[operator]
                loss = self._loss(*self._augmented(images, labels)) / len(parts)
                loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        if self.how.clip_norm:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.how.clip_norm)
        self.optimizer.step()
        self.updates += 1
        if self.ema:
            self.ema.update(self.network, self.updates)
        return total

    def _augmented(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """On the device, by the batch: mixed, which makes labels `(b, n_classes)`, then erased: as timm."""
        images, labels = self._to_device(images, labels)
        if self.mixup:
            images, labels = self.mixup(images, labels)
        return (self.erasing(images) if self.erasing else images), labels

    def _loss(self, images: Tensor, labels: Tensor) -> Tensor:
        with self._autocast():
            logits = self.wrapped(images).float()
        if self.mixup:
            mixed: Tensor = SoftTargetCrossEntropy()(logits, labels)  # type: ignore[no-untyped-call]
            return mixed
        smoothing = self.recipe.augmentation.label_smoothing
        return functional.cross_entropy(logits, labels, label_smoothing=smoothing)

    def _autocast(self) -> AbstractContextManager[Any]:
        low = self.how.precision == "bf16"
        return torch.autocast(self.device, torch.bfloat16) if low else nullcontext()

    def _to_device(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        pixels = images.to(self.device, memory_format=torch.channels_last)
        return normalise(pixels, self.recipe.protocol), labels.to(self.device)

    def evaluate(self, batches: Iterable[Batch]) -> tuple[float, float | None, int]:
        """Top-1 and Top-5 of the held-out images as fractions, and their number; no Top-5 of five classes.

        An image whose logits are not all finite is answered wrongly.
        """
        network = self.evaluated.eval()
        self.processes.share_buffers(network)
        counts = torch.zeros(3, dtype=torch.int64, device=self.device)
        k = min(5, self.recipe.network.n_classes)
        with torch.inference_mode():
            for batch in batches:
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


def _pool_contiguously(network: nn.Module) -> None:
    """Lays images out plainly before they are pooled.

    Torch before 2.14 shifts the gradients of average pooling by its padding on CUDA where channels come last
    (PyTorch's issue 188344), which they do behind all norms but group norm.
    """
    for module in network.modules():
        if isinstance(module, nn.AvgPool2d):
            module.register_forward_pre_hook(lambda _module, inputs: (inputs[0].contiguous(),))


def _fused(optimizer: str) -> dict[str, Any]:
    """One kernel a tensor instead of a dozen, which a small network spends a tenth of an update on."""
    return {"fused": True} if optimizer in ("adam", "adamw") else {}


def _erasing(recipe: Recipe, device: str) -> RandomErasing | None:
    probability = recipe.augmentation.random_erasing
    return RandomErasing(probability, mode="pixel", device=device) if probability else None  # type: ignore[no-untyped-call]


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
