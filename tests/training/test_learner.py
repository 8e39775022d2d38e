"""An update is AdamW's, written out (Loshchilov and Hutter, 2019, algorithm 2)."""

from __future__ import annotations

from pathlib import Path

import torch

from repro.datasets.training_images import open_training_images
from repro.evaluation.preprocess import normalise
from repro.training.learner import Learner
from repro.training.loading import Loading
from repro.training.processes import Processes
from repro.training.recipe import find_recipe
from tests.training.toys import paint_classes, write_recipe


def test_two_updates_change_every_weight_as_adamw_is_written(tmp_path: Path) -> None:
    images, _ = open_training_images(paint_classes(tmp_path))
    settings = ["optimisation.weight_decay=0.3", "optimisation.eps=1e-3"]
    recipe = find_recipe(str(write_recipe(tmp_path)), settings)
    how, processes = recipe.optimisation, Processes()
    learner = Learner(recipe, 0, "cpu", processes, None)
    batches = Loading(recipe, 0, 0, processes).train(images, 0)
    named = dict(learner.network.named_parameters())
    expected = {name: parameter.detach().double() for name, parameter in named.items()}
    first, second = ({name: torch.zeros_like(w) for name, w in expected.items()} for _ in range(2))
    for step in (1, 2):
        learner.update(batches)
        for name, weight in expected.items():
            gradient = named[name].grad
            assert gradient is not None
            first[name].lerp_(gradient.double(), 1 - how.betas[0])
            second[name].lerp_(gradient.double().square(), 1 - how.betas[1])
            mean = first[name] / (1 - how.betas[0] ** step)
            spread = (second[name] / (1 - how.betas[1] ** step)).sqrt() + how.eps
            decay = how.weight_decay if weight.ndim > 1 else 0  # of matrices and kernels alone
            expected[name] = weight - how.learning_rate * (mean / spread + decay * weight)
            assert torch.allclose(named[name].double(), expected[name], rtol=1e-5, atol=1e-7), name


def test_erased_parts_are_noise_and_the_rest_is_the_image(tmp_path: Path) -> None:
    """Random erasing (Zhong et al., 2020) of every image, with the noise of normalised pixels."""
    images, _ = open_training_images(paint_classes(tmp_path))
    settings = ["augmentation.random_erasing=1", "augmentation.mixup=0", "augmentation.cutmix=0"]
    recipe = find_recipe(str(write_recipe(tmp_path)), settings)
    learner, processes = Learner(recipe, 0, "cpu", Processes(), None), Processes()
    batch: dict[str, torch.Tensor] = {}
    learner.wrapped.register_forward_pre_hook(lambda _, inputs: batch.update(erased=inputs[0].clone()))
    learner.update(Loading(recipe, 0, 0, processes).train(images, 0))
    loaded = Loading(recipe, 0, 0, processes).train(images, 0)
    next(loaded)
    pixels, _ = next(loaded)  # the second half of the batch, which the network saw last
    changed = (
        (batch["erased"] != normalise(pixels, recipe.protocol)).any(dim=1).flatten(1).float().mean(dim=1)
    )
    assert ((changed > 0.01) & (changed < 0.4)).all(), "2 % to a third of each image"
