"""A recipe and images so small that a training takes a second or two."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from repro.datasets.training_images import open_training_images
from repro.training.recipe_files import find_recipe
from repro.training.train import Training

COLOURS = {"blue": (40, 60, 200), "green": (40, 200, 60), "red": (200, 60, 40)}

RECIPE = """
name = "toy"

[network]
depth = 6
dims = [8, 8, 16, 16]
stem_stride = 2
size_px = 16
n_classes = 3
norm = "batch"
layer_scale = 0.5
drop_path = 0.2

[augmentation]
scale = [0.5, 1.0]
auto_augment = "rand-m9-mstd0.5-inc1"
random_erasing = 0.25
mixup = 0.8
cutmix = 1.0
label_smoothing = 0.1

[optimisation]
learning_rate = 5e-3
batch_size = 8
accumulate = 2
ema_decay = 0.9

[schedule]
epochs = 4
warmup_epochs = 1
"""
"""Everything that draws at random or keeps a state of its own is in it."""


def write_recipe(folder: Path) -> Path:
    path = folder / "toy.toml"
    path.write_text(RECIPE)
    return path


def paint_classes(root: Path, n_train: int = 14, n_held_out: int = 5) -> Path:
    """`train/` and `val/` of noisy images of one colour a class."""
    random = np.random.default_rng(0)
    for split, n in (("train", n_train), ("val", n_held_out)):
        for name, colour in COLOURS.items():
            folder = root / split / name
            folder.mkdir(parents=True)
            for i in range(n):
                noisy = np.clip(random.normal(colour, 40, (20, 20, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(noisy).save(folder / f"{i}.png")
    return root


class Quiet:
    """Watches a training, and may end it by raising after so many updates."""

    def __init__(self, most_updates: int | None = None) -> None:
        self.left = most_updates

    def begin(self, epoch: int, n_epochs: int, n_images: int) -> None: ...

    def trained(self, n_images: int) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt

    def finished(self, row: object) -> None: ...

    def held(self) -> None: ...


def toy(data: Path, *settings: str, seed: int = 0, workers: int = 0) -> Training:
    recipe = find_recipe(str(write_recipe(data)), settings)
    images, held_out = open_training_images(data)
    return Training(recipe, images, held_out, seed=seed, workers=workers)
