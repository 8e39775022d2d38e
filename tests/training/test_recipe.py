"""Recipes are data; what cannot be meant is refused with the choices."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch
from timm.data.transforms_factory import create_transform

from repro.architecture import POOLFORMERS
from repro.exceptions import UsageError
from repro.metaformer import MetaFormer
from repro.training.recipe_files import find_recipe
from tests.training.toys import RECIPE


@pytest.mark.parametrize("name", POOLFORMERS)
def test_the_full_recipe_trains_the_papers_networks(name: str) -> None:
    recipe, network = find_recipe(name), POOLFORMERS[name]
    trained = recipe.network
    assert (trained.depth, trained.dims, trained.layer_scale) == (
        network.depth,
        network.dims,
        network.layer_scale,
    )
    assert recipe.name == name


def test_the_full_recipe_is_table_6(shared_data: Path) -> None:
    table = (shared_data.parent / "facts" / "hyperparameters_table6.csv").read_text(encoding="utf-8")
    printed = {row["name"]: row["value"] for row in csv.DictReader(table.splitlines())}
    recipes = [find_recipe(name) for name in POOLFORMERS]
    assert "/".join(f"{r.network.drop_path:g}" for r in recipes) == printed["drop path S12/S24/S36/M36/M48"]
    scales = [f"{r.network.layer_scale:.0e}".replace("e-0", "e-") for r in recipes]
    assert "/".join(scales) == printed["layer scale initial value S12/S24/S36/M36/M48"]
    for recipe in recipes:
        augmentation, how, plan = recipe.augmentation, recipe.optimisation, recipe.schedule
        found = {
            "image size": recipe.network.size_px,
            "epochs": plan.epochs,
            "warm-up epochs": plan.warmup_epochs,
            "random erasing": augmentation.random_erasing,
            "CutMix alpha": augmentation.cutmix,
            "MixUp alpha": augmentation.mixup,
            "MixUp/CutMix switch probability": augmentation.switch,
            "label smoothing": augmentation.label_smoothing,
            "batch size": how.batch_size,
            "schedule": plan.schedule,
            "weight decay": how.weight_decay,
        }
        assert {name: str(value) for name, value in found.items()} == {name: printed[name] for name in found}
        assert (how.optimizer, how.eps, how.betas) == ("adamw", 1e-8, (0.9, 0.999))
        assert how.learning_rate == pytest.approx(how.batch_size / 1024 * 1e-3)
        assert not how.ema_decay
        assert not how.clip_norm


def test_the_small_recipe_has_the_shape_that_its_head_states() -> None:
    network = find_recipe("small").network
    assert network.sides == (16, 8, 4, 2)
    assert network.depths == (2, 2, 6, 2)
    with torch.device("meta"):
        n = sum(parameter.numel() for parameter in MetaFormer(network).parameters())
    assert round(n / 1e6, 1) == 1.8


def test_a_setting_takes_the_place_of_a_value() -> None:
    recipe = find_recipe(
        "small", ["schedule.epochs=7", "network.token_mixer=identity", "network.norm='batch'"]
    )
    assert (recipe.schedule.epochs, recipe.network.token_mixer, recipe.network.norm) == (
        7,
        "identity",
        "batch",
    )
    assert recipe.hash != find_recipe("small").hash
    hybrid = find_recipe("small", ['network.token_mixer=["pooling","pooling","pooling","attention"]'])
    assert hybrid.network.mixers[-1] == "attention"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("images.crop=90", "needs images.crop, a share of the side"),
        ("augmentation.color_jitter=-1", "augmentation.color_jitter is -1; needs 0 or more"),
        ("augmentation.auto_augment=original-m9", "needs augmentation.auto_augment in timm's form"),
        ("augmentation.auto_augment=rand-m9.5", "needs augmentation.auto_augment in timm's form"),
        ("augmentation.auto_augment=rand-m9-w1", "needs augmentation.auto_augment in timm's form"),
        ("augmentation.auto_augment=augmix-w2-d-1", "needs augmentation.auto_augment in timm's form"),
        ("optimisation.eps=-1", "optimisation.eps is -1; needs 0 or more"),
        ("optimisation.weight_decay=-1", "optimisation.weight_decay is -1; needs 0 or more"),
        ("schedule.final_rate=-1", "schedule.final_rate is -1; needs 0 or more"),
        ("schedule.images_per_epoch=-1", "schedule.images_per_epoch is -1; needs 0 or more"),
        ("schedule.schedule=step", "there are cosine, tanh"),
        ("network.stem_stride=16", "stem_stride 16 leaves pixels out"),
        ("network.token_mixer=poling", "unknown token mixer 'poling'; did you mean pooling"),
        ("network.pool_size=4", "pool size 4 has no middle; needs an odd one"),
        ("network.depth=10", "depth 10 does not fit L/6, L/6, L/2, L/6; needs a multiple of 6"),
        ("network.deph=12", "unknown key network.deph; did you mean depth"),
        ("schedul.epochs=3", "unknown key schedul; did you mean schedule"),
        ("schedule.epochs=three", "schedule.epochs is str, not int"),
        ("schedule.epochs=0", "schedule.epochs is 0; needs more than 0"),
        ("schedule.warmup_epochs=9999", "warmup_epochs is 9999; needs fewer than the epochs"),
        ("schedule.schedule=cosin", "schedule.schedule is 'cosin'; there are cosine, tanh"),
        ("optimisation.precision=fp8", "'fp8'; there are fp32, bf16"),
        ("optimisation.accumulate=3", "a batch of 64 has no 3 equal parts"),
        ("augmentation.flip=2", "augmentation.flip is 2; needs 0 to 1"),
        ("augmentation=3", "augmentation is no table"),
        ("optimisation.optimizer=lamb", "optimizer is 'lamb'; there are adamw, adam"),
        ("optimisation.betas=[0.9, 1.5]", "needs optimisation.betas, from 0 to below 1"),
        ("optimisation.ema_decay=2", "needs optimisation.ema_decay, from 0 to below 1"),
        ("optimisation.clip_norm=-1", "optimisation.clip_norm is -1; needs 0 or more"),
        ("images.interpolation=bicubical", "'bicubical'; there are bicubic, bilinear"),
        ("images.std=[0, 1, 1]", "images.std"),
        ("augmentation.scale=[1.0, 0.5]", "needs augmentation.scale, two shares of the area"),
        ("augmentation.mixup=-0.1", "augmentation.mixup is -0.1; needs 0 or more"),
        ("augmentation.auto_augment=garbage", "auto_augment in timm's form, as rand-m9"),
        ("network.stem_stride=0", "stem_stride 0; needs 1 or more"),
        ("network.n_classes=0", "n_classes 0; needs 1 or more"),
        ("network.mlp_ratio=0", "mlp_ratio 0; needs 1 or more"),
        ("network.drop_path=1.5", "drop_path 1.5 is no share of blocks; needs 0 to below 1"),
        ("optimisation.betas=[0.9]", "betas"),
        ("schedule.epochs", "is not of the form KEY=VALUE"),
    ],
)
def test_what_cannot_be_meant_is_refused(settings: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        find_recipe("small", [settings])


@pytest.mark.parametrize("form", ["rand-m9-n3-p0.5-tweights", "augmix-m5-w4-d2-a0.5", "v0r", "3a-mstd0.5"])
def test_timms_forms_of_augmentation_are_taken(form: str) -> None:
    recipe = find_recipe("small", [f"augmentation.auto_augment={form}"])
    create_transform(32, is_training=True, auto_augment=recipe.augmentation.auto_augment)


@pytest.mark.parametrize("setting", ["schedule.epochs=3", "schedule={epochs=3}"])
def test_what_is_settled_elsewhere_is_not_taken_and_dropped(setting: str) -> None:
    with pytest.raises(UsageError, match=r"--set schedule\.epochs has no effect here; .* --epochs"):
        find_recipe("small", ["network.depth=6", setting], {"schedule.epochs": "--epochs"})


def test_an_unknown_recipe_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"unknown recipe 'smal'; did you mean small\? there are poolformer_s12"
    ):
        find_recipe("smal")
    with pytest.raises(UsageError, match=r"unknown recipe .*no\.toml"):
        find_recipe(str(tmp_path / "no.toml"))
    (tmp_path / "latin.toml").write_bytes("# für mich".encode("latin-1"))
    with pytest.raises(UsageError, match=r"latin\.toml cannot be read as text in UTF-8"):
        find_recipe(str(tmp_path / "latin.toml"))


def test_a_file_that_is_no_recipe_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[network")
    with pytest.raises(UsageError, match=r"mine\.toml is no TOML"):
        find_recipe(str(path))
    path.write_text(RECIPE.replace("batch_size = 8", ""))
    with pytest.raises(UsageError, match=r"optimisation\. lacks .*'batch_size'"):
        find_recipe(str(path))
