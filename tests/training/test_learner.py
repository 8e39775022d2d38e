"""An update is AdamW's, written out (Loshchilov and Hutter, 2019, algorithm 2)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
import torch
from torch import nn

from repro.datasets.training_images import open_training_images
from repro.evaluation.preprocess import normalise
from repro.training.checkpoints import Checkpoint
from repro.training.learner import Learner, _pool_contiguously
from repro.training.loading import Batch, Loading
from repro.training.processes import Processes
from repro.training.recipe import OPTIMIZERS
from repro.training.recipe_files import find_recipe
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


_NOTHING_RANDOM = [
    "network.norm='layer'",
    "network.drop_path=0",
    "augmentation.random_erasing=0",
    "augmentation.mixup=0",
    "augmentation.cutmix=0",
]


def test_parts_of_a_batch_give_the_gradient_of_the_whole(tmp_path: Path) -> None:
    images, _ = open_training_images(paint_classes(tmp_path))
    gradients = []
    for n_parts in (1, 2):
        settings = [*_NOTHING_RANDOM, f"optimisation.accumulate={n_parts}"]
        recipe = find_recipe(str(write_recipe(tmp_path)), settings)
        learner = Learner(recipe, 0, "cpu", Processes(), None)
        learner.update(Loading(recipe, 0, 0, Processes()).train(images, 0))
        gradients.append({name: weight.grad for name, weight in learner.network.named_parameters()})
    whole, parts = gradients
    for name, gradient in whole.items():
        assert gradient is not None
        assert torch.allclose(gradient, parts[name], rtol=1e-4, atol=1e-6), name


def test_the_loss_is_the_cross_entropy_of_smoothed_labels(tmp_path: Path) -> None:
    """Szegedy et al., 2016: the true class has 1 - s + s/k, each other of the k classes s/k."""
    images, _ = open_training_images(paint_classes(tmp_path))
    settings = [*_NOTHING_RANDOM, "optimisation.accumulate=1", "augmentation.label_smoothing=0.3"]
    recipe = find_recipe(str(write_recipe(tmp_path)), settings)
    learner = Learner(recipe, 0, "cpu", Processes(), None)
    logits: list[torch.Tensor] = []
    learner.wrapped.register_forward_hook(lambda _, _inputs, found: logits.append(found.detach().double()))
    loss = learner.update(Loading(recipe, 0, 0, Processes()).train(images, 0))
    _, labels = next(Loading(recipe, 0, 0, Processes()).train(images, 0))
    log_p = logits[0] - logits[0].exp().sum(dim=1, keepdim=True).log()
    wanted = -(0.7 * log_p[range(8), labels] + 0.1 * log_p.sum(dim=1)).mean()
    assert abs(loss.item() - wanted.item()) < 1e-5


def test_a_seed_gives_its_own_first_weights(tmp_path: Path) -> None:
    recipe = find_recipe(str(write_recipe(tmp_path)))
    first, again, other = (Learner(recipe, seed, "cpu", Processes(), None).network for seed in (0, 0, 1))
    assert torch.equal(first.head.weight, again.head.weight)
    assert not torch.isclose(first.head.weight, other.head.weight).any()


def test_what_is_evaluated_is_the_mean_over_updates(tmp_path: Path) -> None:
    """Exponential, with a decay of 0.9, and begun by the first update."""
    images, _ = open_training_images(paint_classes(tmp_path))
    recipe = find_recipe(str(write_recipe(tmp_path)))
    learner = Learner(recipe, 0, "cpu", Processes(), None)
    batches = Loading(recipe, 0, 0, Processes()).train(images, 0)
    weights = []
    for _ in range(3):
        learner.update(batches)
        weights.append({name: weight.detach().clone() for name, weight in learner.network.named_parameters()})
    for name, mean in learner.evaluated.named_parameters():
        wanted = 0.9 * (0.9 * weights[0][name] + 0.1 * weights[1][name]) + 0.1 * weights[2][name]
        assert torch.allclose(mean, wanted, rtol=1e-5, atol=1e-7), name


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimiser_goes_on_from_a_checkpoint_to_the_same_bits(optimizer: str, tmp_path: Path) -> None:
    images, _ = open_training_images(paint_classes(tmp_path))
    recipe = find_recipe(str(write_recipe(tmp_path)), [f"optimisation.optimizer={optimizer}"])

    def batches(n_before: int) -> Iterator[Batch]:
        found = Loading(recipe, 0, 0, Processes()).train(images, 0)
        return islice(found, n_before * recipe.optimisation.accumulate, None)

    unbroken = Learner(recipe, 0, "cpu", Processes(), None)
    reading = batches(0)
    for _ in range(2):
        unbroken.update(reading)
    kept = {name: tensor.clone() for name, tensor in unbroken.tensors().items()}
    unbroken.update(reading)
    resumed = Learner(recipe, 0, "cpu", Processes(), Checkpoint(kept, [], 2))
    resumed.update(batches(2))
    wanted = unbroken.tensors()
    for name, tensor in resumed.tensors().items():
        assert torch.equal(tensor, wanted[name]), name


@pytest.mark.parametrize("norm", ["layer", "batch"])
def test_what_is_pooled_can_be_laid_out_plainly_with_the_same_gradients(norm: str, tmp_path: Path) -> None:
    """As older versions of torch need it on a GPU."""
    images, _ = open_training_images(paint_classes(tmp_path))
    recipe = find_recipe(str(write_recipe(tmp_path)), [f"network.norm='{norm}'"])
    plain, mended = (Learner(recipe, 0, "cpu", Processes(), None) for _ in range(2))
    _pool_contiguously(mended.network)
    seen: dict[str, list[bool]] = {"plain": [], "mended": []}
    for name, learner in (("plain", plain), ("mended", mended)):
        for pool in (module for module in learner.network.modules() if isinstance(module, nn.AvgPool2d)):
            pool.register_forward_pre_hook(
                lambda _module, inputs, seen=seen[name]: seen.append(inputs[0].is_contiguous())
            )
        learner.update(Loading(recipe, 0, 0, Processes()).train(images, 0))
    assert all(seen["mended"])
    assert not all(seen["plain"])
    for a, b in zip(plain.network.parameters(), mended.network.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad)
