"""Images on their way to the network: read, decoded, augmented by timm, in an order of each epoch's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import ImageOps
from PIL.Image import Image
from timm.data import auto_augment
from timm.data.transforms_factory import create_transform
from torch.utils.data import DataLoader, Dataset

from repro.datasets.decode import UnreadableImage
from repro.datasets.training_images import TrainingImages
from repro.evaluation.environment import count_cores, default_workers
from repro.evaluation.loading import begin_loader, loaders_lost
from repro.exceptions import DataRefused
from repro.training.processes import Processes
from repro.training.recipe import Recipe
from repro.training.seeds import derive, seed_all

Batch = tuple[torch.Tensor, torch.Tensor]
"""Images `(b, 3, h, w)` of uint8, which the device normalises, and labels `(b,)`."""


MOST_HELD_OUT = 256
"""Held-out images that are computed at once, at the most: no more than are trained on at once."""

SILENCE_SECONDS = 600
"""After which a loader process is given up: a batch of hundreds of images from a slow disk takes minutes."""


@dataclass(frozen=True, slots=True)
class Loading:
    """`seed` decides order and augmentation; `workers` processes load, 0: this one.

    With `pinned` the batches are in page-locked memory, from where a GPU copies by itself.
    """

    recipe: Recipe
    seed: int
    workers: int
    processes: Processes
    pinned: bool = False

    @property
    def part(self) -> int:
        """How many images this process computes at once."""
        how = self.recipe.optimisation
        return how.batch_size // how.accumulate // self.processes.count

    def train(self, images: TrainingImages, epoch: int) -> Iterator[Batch]:
        """The part that this process has of an epoch's batches; the last, where not whole, is left out."""
        recipe, processes = self.recipe, self.processes
        order = epoch_order(len(images), recipe.schedule.images_per_epoch, self.seed, epoch)
        parts_of_all = recipe.optimisation.accumulate * processes.count
        whole = len(order) // (self.part * parts_of_all) * self.part * parts_of_all
        jitter: Any = recipe.augmentation.color_jitter or None
        transform = create_transform(
            recipe.network.size_px,
            is_training=True,
            scale=recipe.augmentation.scale,
            hflip=recipe.augmentation.flip,
            color_jitter=jitter,
            auto_augment=recipe.augmentation.auto_augment or None,
            interpolation=recipe.images.interpolation,
            mean=recipe.images.mean,  # what fills the corners of a turned image
            normalize=False,
        )
        augmented = _Augmented(images, transform, self.seed, epoch)
        return self._load(augmented, order[processes.rank : whole : processes.count], self.part)

    def held_out(self, images: TrainingImages) -> Iterator[Batch]:
        """The part that this process has of all images, each once, cropped as the recipe says."""
        transform = create_transform(
            self.recipe.network.size_px,
            interpolation=self.recipe.images.interpolation,
            crop_pct=self.recipe.images.crop,
            normalize=False,
        )
        order = range(self.processes.rank, len(images), self.processes.count)
        return self._load(_Augmented(images, transform, self.seed, 0), order, min(self.part, MOST_HELD_OUT))

    def _load(self, images: _Augmented, order: Sequence[int], batch_size: int) -> Iterator[Batch]:
        loader: DataLoader[Any] = DataLoader(
            images,
            batch_size,
            sampler=order,
            num_workers=self.workers,
            pin_memory=self.pinned,
            worker_init_fn=begin_loader,
            timeout=SILENCE_SECONDS if self.workers else 0,
        )
        return _told(loader, self.workers)


def _told(batches: Iterable[Batch], workers: int) -> Iterator[Batch]:
    """The batches; what goes wrong in a loader process is told as if it had happened here."""
    with loaders_lost(workers, "whole epochs are kept"):
        try:
            yield from batches
        except DataRefused as error:
            reason = str(error)
            if reason.startswith("Caught "):  # torch puts the process's traceback around it
                reason = reason.rstrip().rpartition("\n")[2].partition(": ")[2]
            raise DataRefused(reason, hint="mend or remove the image, then the same command") from None


def default_loaders(device: str, at_once: int = 1) -> int:
    """Loader processes of a training: none on a CPU of two cores, or whose cores several trainings share.

    Images that are kept decoded (`TrainingImages.decoded`) then outlast an epoch, as loader processes do not.
    """
    return 0 if device == "cpu" and (at_once > 1 or count_cores() <= 2) else default_workers(device)


def _posterize(image: Image, bits_to_keep: int, **_: Any) -> Image:
    """Keeps the highest bits; none of them leaves black, where Pillow of late refuses to be asked."""
    return ImageOps.posterize(image, bits_to_keep) if bits_to_keep else image.point(lambda _: 0)


# RandAugment's increasing level ends at 0 bits, which one image in some thousands comes to.
auto_augment.NAME_TO_OP |= dict.fromkeys(("Posterize", "PosterizeIncreasing"), _posterize)


def epoch_order(n: int, wanted: int, seed: int, epoch: int) -> list[int]:
    """The indices of an epoch in their order: all `n`, or a random `wanted` of them."""
    generator = torch.Generator().manual_seed(derive(seed, "order", epoch))
    order: list[int] = torch.randperm(n, generator=generator).tolist()
    return order[:wanted] if wanted else order


class _Augmented(Dataset[tuple[torch.Tensor, int]]):
    """A split as DataLoader wants it; what is random in an image depends on it and the epoch alone."""

    def __init__(self, images: TrainingImages, transform: Any, seed: int, epoch: int) -> None:
        self.images, self.transform, self.seed, self.epoch = images, transform, seed, epoch

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        seed_all(self.seed, "image", self.epoch, index)
        return self.transform(self._decode(index)), self.images.labels[index]

    def _decode(self, index: int) -> Image:
        try:
            return self.images.decoded(index)
        except (OSError, UnreadableImage) as error:
            raise DataRefused(f"image {index} of {self.images.root} cannot be trained on: {error}") from error
