"""Scenes in which only the surroundings tell a size: geometry, splits, and that nothing else tells it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_score

from repro.datasets.training_images import open_training_images
from repro.metaformer import MetaFormer
from repro.training.recipe_files import find_recipe
from repro.training.size_in_context import SmallModel, control
from repro.training.size_scenes import CLASSES, FOCAL_PX, RANGES_M, SPLITS, draw_scene, render, write_scenes

SCENES = [draw_scene("train", index) for index in range(1500)]
LABELS = [scene.label for scene in SCENES]


def guessed(*names: str) -> float:
    """How well a forest tells the class from these facts of a scene."""
    facts = np.array([[getattr(scene, name) for name in names] for scene in SCENES])
    forest = RandomForestClassifier(60, min_samples_leaf=5, random_state=0)
    return float(cross_val_score(forest, facts, LABELS, cv=3).mean())


def test_what_an_object_alone_shows_tells_nothing() -> None:
    assert guessed("look_px", "foot_px", "column_px") == pytest.approx(1 / 3, abs=0.05)


def test_with_the_surroundings_it_is_told() -> None:
    together = guessed("look_px", "foot_px", "horizon_px", "height_m")
    assert together > 0.7
    assert guessed("horizon_px", "height_m") < together - 0.1


def test_pictures_of_the_object_alone_are_alike_in_all_classes() -> None:
    """Pixel by pixel: nothing of the eye's height or the size is left when the surroundings are."""
    scene = SCENES[0]
    alone = control(scene, "object alone")
    box = scene.box
    outside = np.ones(alone.shape[:2], bool)
    outside[int(box.y_min) - 1 : int(box.y_max) + 2, int(box.x_min) - 1 : int(box.x_max) + 2] = False
    assert (alone[outside] == 128).all()
    assert not (alone[int(box.y_min) + 1 : int(box.y_max) - 1, int(scene.column_px)] == 128).all()
    without = control(scene, "surroundings alone")
    differs = (without != render(scene)).any(axis=2)
    assert differs.any()
    assert not differs[outside].any()


def test_perspective_is_that_of_a_pinhole() -> None:
    """A thing of s metres at a distance d looks f s / d high, its foot f H / d below the horizon."""
    for scene in SCENES[:50]:
        distance = FOCAL_PX * scene.height_m / (scene.foot_px - scene.horizon_px)
        assert scene.look_px == pytest.approx(FOCAL_PX * scene.size_m / distance)


def test_sizes_that_are_held_out_are_not_trained_on() -> None:
    for label, (low, high) in enumerate(RANGES_M):
        part = [
            np.log(scene.size_m / low) / np.log(high / low)
            for split in ("train", "sizes")
            for scene in (draw_scene(split, 3 * i + label) for i in range(100))
        ]
        trained, held_out = part[:100], part[100:]
        assert all(0 <= one <= 1 for one in part)
        assert all(1 / 3 <= one <= 2 / 3 for one in held_out)
        assert not any(1 / 3 < one < 2 / 3 for one in trained)


def test_colours_that_are_held_out_are_not_trained_on() -> None:
    other = [draw_scene("scenes", index) for index in range(200)]
    assert not {s.ground for s in SCENES} & {s.ground for s in other}
    assert not {s.sky for s in SCENES} & {s.sky for s in other}


def test_scenes_are_written_once_and_alike(tmp_path: Path) -> None:
    write_scenes(tmp_path / "a", n_train=9, n_held_out=6)
    write_scenes(tmp_path / "b", n_train=9, n_held_out=6)
    for split in SPLITS:
        name = f"{split}-00000-of-00001.parquet"
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    train, held_out = open_training_images(tmp_path / "a")
    assert (train.classes, len(train), len(held_out)) == (CLASSES, 9, 6)
    assert train.labels == (0, 1, 2) * 3
    sizes = pq.read_table(tmp_path / "a" / "train-00000-of-00001.parquet")["size_m"].to_pylist()
    assert sizes == [draw_scene("train", index).size_m for index in range(9)]


def test_a_small_model_is_asked_what_it_was_trained_on(tmp_path: Path) -> None:
    """Pixels between 0 and 1, minus the mean, over the deviation; its answers are its largest logits."""
    settings = ["network.norm='none'", "network.layer_scale=0", "images.mean=[0.2, 0.9, 0.5]"]
    recipe = find_recipe("size-in-context", settings)
    torch.manual_seed(0)
    network = MetaFormer(recipe.network)
    for weight in network.parameters():
        torch.nn.init.normal_(weight, std=0.1)
    crops = [render(scene) for scene in SCENES[:60]]
    pixels = torch.tensor(np.stack(crops)).permute(0, 3, 1, 2).double() / 255
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (recipe.images.mean, recipe.images.std))
    with torch.inference_mode():
        logits = network.double().eval()((pixels - mean) / std)
        network.head.bias -= logits.mean(dim=0)  # so that no class is always the largest
    save_file(network.float().state_dict(), tmp_path / "model.safetensors")
    wanted = (logits - logits.mean(dim=0)).argmax(dim=1).tolist()
    assert SmallModel(recipe, tmp_path / "model.safetensors", "cpu").answer(crops) == wanted
    assert set(wanted) == {0, 1, 2}
