"""The remedy of slide 15 put to the test: small networks learn sizes that surroundings alone tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import safetensors.torch
import torch

from repro.datasets.training_images import TrainingImages, open_training_images
from repro.evaluation.preprocess import normalise
from repro.metaformer import MetaFormer
from repro.training.recipe import Recipe
from repro.training.size_scenes import VERSION, Pixels, SizeScene, Split, draw_scene, render, write_scenes
from repro.training.train import Training

MODELS: dict[str, str | tuple[str, ...]] = {
    "pooling": "pooling",
    "identity": "identity",
    "attention": "attention",
    "hybrid": ("pooling", "pooling", "attention", "attention"),
}
"""Token mixers of the four networks, which differ in nothing else."""

CONTROLS = ("object alone", "surroundings alone")


@dataclass(frozen=True, slots=True)
class SizeStudy:
    """`n_train` scenes are trained on, `n_held_out` of each other split are asked."""

    recipe: Recipe
    n_train: int
    n_held_out: int
    seeds: int
    device: str
    workers: int

    def trainings(self, folder: Path) -> Iterator[tuple[str, Training]]:
        """The first seed of every model, then the second; the scenes are written into `folder`."""
        images, held_out = self._open(folder)
        for seed in range(self.seeds):
            for model, mixer in MODELS.items():
                network = replace(self.recipe.network, token_mixer=mixer)
                recipe = replace(self.recipe, name=f"{self.recipe.name}-{model}", network=network)
                yield model, Training(recipe, images, held_out, seed, self.device, self.workers)

    def _open(self, folder: Path) -> tuple[TrainingImages, TrainingImages]:
        scenes = folder / f"scenes-{VERSION}-{self.n_train}-{self.n_held_out}"
        write_scenes(scenes, self.n_train, self.n_held_out)
        return open_training_images(scenes)


def held_out_scenes(split: Split, n: int) -> list[SizeScene]:
    return [draw_scene(split, index) for index in range(n)]


def control(scene: SizeScene, name: str) -> Pixels:
    """The scene with its object alone, or without it: what its class cannot be told by, and should not."""
    if name == "object alone":
        return render(replace(scene, surroundings=False))
    return render(replace(scene, object_there=False))


class SmallModel:
    """A network that was trained here, ready to answer."""

    def __init__(self, recipe: Recipe, weights: Path, device: str) -> None:
        network = MetaFormer(recipe.network)
        network.load_state_dict(safetensors.torch.load_file(weights))
        self._network = network.eval().to(device)
        self._device, self._protocol = device, recipe.protocol

    def answer(self, crops: Sequence[Pixels]) -> list[int]:
        """The class of each of these crops `(size_px, size_px, 3)`."""
        answers: list[int] = []
        with torch.inference_mode():
            for start in range(0, len(crops), 256):
                stacked = np.stack(crops[start : start + 256]).transpose(0, 3, 1, 2)
                pixels = torch.from_numpy(np.ascontiguousarray(stacked)).to(self._device)
                answers += self._network(normalise(pixels, self._protocol)).argmax(dim=1).tolist()
        return answers
