"""An epoch is every image once, in an order and with augmentation of its own, whoever loads it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image
from timm.data import auto_augment

from repro.training.loading import Loading, epoch_order
from repro.training.processes import Processes
from tests.training.toys import paint_classes, toy


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return paint_classes(tmp_path_factory.mktemp("colours"))


def test_rand_augment_may_ask_for_no_bits() -> None:
    """timm's highest level, which Pillow 12 and later refuse."""
    strongest = auto_augment.AugmentOp("PosterizeIncreasing", prob=1.0, magnitude=10)
    image = Image.new("RGB", (4, 4), (200, 100, 50))
    assert strongest(image).getextrema() == ((0, 0), (0, 0), (0, 0))
    weaker = auto_augment.AugmentOp("PosterizeIncreasing", prob=1.0, magnitude=9)
    assert weaker(image).getpixel((0, 0)) == (128, 0, 0)


def test_an_epoch_has_every_image_once_in_an_order_of_its_own() -> None:
    first, second = epoch_order(50, 0, 0, 0), epoch_order(50, 0, 0, 1)
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second
    part = epoch_order(50, 10, 0, 0)
    assert part == first[:10]


def test_each_epoch_augments_anew(data: Path) -> None:
    training = toy(data, "augmentation.auto_augment=", "augmentation.random_erasing=0")
    first, second = (
        {
            image.numpy().tobytes()
            for images, _ in Loading(training.recipe, 0, 0, Processes()).train(training.images, epoch)
            for image in images
        }
        for epoch in (0, 1)
    )
    assert not first & second


def test_processes_share_an_epoch_without_overlap(data: Path) -> None:
    training = toy(data, "augmentation.auto_augment=", "augmentation.random_erasing=0")
    parts = [
        Loading(training.recipe, 0, 0, Processes(rank, 2, rank)).train(training.images, 0) for rank in (0, 1)
    ]
    seen = [image for part in parts for images, _ in part for image in images]
    assert len(seen) == 40  # of 42: five batches of 8
    assert len({image.numpy().tobytes() for image in seen}) == 40


def test_augmentation_does_not_depend_on_loader_processes(data: Path) -> None:
    training = toy(data)
    one, other = (
        [images for images, _ in Loading(training.recipe, 0, workers, Processes()).train(training.images, 2)]
        for workers in (0, 2)
    )
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_held_out_images_come_no_more_at_once_than_those_that_are_trained_on(data: Path) -> None:
    """A part of a batch is what is known to fit in memory."""
    training = toy(data)
    batches = Loading(training.recipe, 0, 0, Processes()).held_out(training.held_out)
    assert [len(labels) for _, labels in batches] == [4, 4, 4, 3]


def test_the_corners_of_a_turned_image_have_the_recipes_mean(tmp_path: Path) -> None:
    for split in ("train", "val"):
        for name in ("one", "other", "third"):
            (tmp_path / split / name).mkdir(parents=True)
            for i in range(8):
                Image.new("RGB", (20, 20), (255, 255, 255)).save(tmp_path / split / name / f"{i}.png")
    settings = ["images.mean=[0.1, 0.2, 0.3]", "augmentation.auto_augment=rand-m9-n2"]
    training = toy(tmp_path, *settings)
    batches = Loading(training.recipe, 0, 0, Processes()).train(training.images, 0)
    pixels = torch.cat([images for images, _ in batches]).permute(0, 2, 3, 1).reshape(-1, 3)
    assert (pixels == torch.tensor([26, 51, 76])).all(dim=1).any()
    assert not (pixels == torch.tensor([124, 116, 104])).all(dim=1).any()
