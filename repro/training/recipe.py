"""What decides a training, as data; what cannot be meant is refused before torch is imported."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from repro.architecture import Architecture
from repro.exceptions import UsageError
from repro.specs import IMAGENET_MEAN, IMAGENET_STD, RGB, Protocol, digest

SCHEDULES = ("cosine", "tanh")
"""Those of timm's that end at `final_rate` after the epochs that a recipe has."""

PRECISIONS = ("fp32", "bf16")
OPTIMIZERS = ("adamw", "adam", "nadamw", "lion", "sgd", "rmsprop")
"""Those of timm's that go on after a stop to the same bits: a test holds each to it."""

INTERPOLATIONS = ("bicubic", "bilinear", "nearest", "lanczos", "box", "hamming")
_AUTO_AUGMENT = re.compile(
    r"rand(-(m\d+|n\d+|p0?\.\d+|mstd\d+(\.\d+)?|mmax\d+|inc[01]|t(weights|3aw?)))*"
    r"|augmix(-(m\d+|w\d+|d\d+|a\d+(\.\d+)?|b[01]|mstd\d+(\.\d+)?))*"
    r"|(originalr?|v0r?|3a)(-mstd\d+(\.\d+)?)?"
)
"""The form of timm's texts for augmentation: `rand-m9-mstd0.5-inc1`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """How held-out images are cropped, and all are normalised."""

    crop: float = 0.9
    interpolation: str = "bicubic"
    mean: RGB = IMAGENET_MEAN
    std: RGB = IMAGENET_STD


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """Of the images that are trained on, in timm's terms; 0 or an empty text leaves a part out."""

    scale: tuple[float, float] = (0.08, 1.0)
    flip: float = 0.5
    color_jitter: float = 0.4
    auto_augment: str = ""
    random_erasing: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    switch: float = 0.5
    label_smoothing: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimisation:
    """`learning_rate` is the peak, for the whole `batch_size`: over all processes and `accumulate` parts."""

    optimizer: str = "adamw"
    learning_rate: float
    weight_decay: float = 0.05
    eps: float = 1e-8
    betas: tuple[float, float] = (0.9, 0.999)
    clip_norm: float = 0.0
    batch_size: int
    accumulate: int = 1
    ema_decay: float = 0.0
    precision: str = "fp32"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """`images_per_epoch` is a fresh random part of all for every epoch; 0: all of them."""

    schedule: str = "cosine"
    epochs: int
    warmup_epochs: int = 0
    warmup_rate: float = 1e-6
    final_rate: float = 1e-5
    images_per_epoch: int = 0
    evaluate_every: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    name: str
    network: Architecture
    images: Images = field(default_factory=Images)
    augmentation: Augmentation = field(default_factory=Augmentation)
    optimisation: Optimisation
    schedule: Schedule

    @property
    def protocol(self) -> Protocol:
        """What is done to held-out images before the network sees them."""
        images = self.images
        return Protocol(self.network.size_px, images.crop, images.interpolation, images.mean, images.std)

    @property
    def hash(self) -> str:
        """SHA-256 of all that it says."""
        return digest(asdict(self))


def refuse_numbers(recipe: Recipe) -> Recipe:
    """The recipe, unless a value of it is of the right type and cannot be meant all the same."""
    how, plan = recipe.optimisation, recipe.schedule
    _require_choice("schedule.schedule", plan.schedule, SCHEDULES)
    _require_choice("optimisation.precision", how.precision, PRECISIONS)
    _require_choice("optimisation.optimizer", how.optimizer, OPTIMIZERS)
    _require_choice("images.interpolation", recipe.images.interpolation, INTERPOLATIONS)
    positive = {
        "optimisation.learning_rate": how.learning_rate,
        "optimisation.batch_size": how.batch_size,
        "optimisation.accumulate": how.accumulate,
        "schedule.epochs": plan.epochs,
        "schedule.evaluate_every": plan.evaluate_every,
    }
    for name, value in positive.items():
        if value <= 0:
            raise UsageError(f"recipe: {name} is {value}; needs more than 0")
    not_negative = {
        "optimisation.weight_decay": how.weight_decay,
        "optimisation.eps": how.eps,
        "optimisation.clip_norm": how.clip_norm,
        "schedule.warmup_rate": plan.warmup_rate,
        "schedule.final_rate": plan.final_rate,
        "schedule.images_per_epoch": plan.images_per_epoch,
        "augmentation.color_jitter": recipe.augmentation.color_jitter,
        "augmentation.mixup": recipe.augmentation.mixup,
        "augmentation.cutmix": recipe.augmentation.cutmix,
    }
    for name, value in not_negative.items():
        if value < 0:
            raise UsageError(f"recipe: {name} is {value}; needs 0 or more")
    augmentation = asdict(recipe.augmentation)
    for name in ("flip", "random_erasing", "switch", "label_smoothing"):
        if not 0 <= augmentation[name] <= 1:
            raise UsageError(f"recipe: augmentation.{name} is {augmentation[name]}; needs 0 to 1")
    low, high = recipe.augmentation.scale
    auto_augment = recipe.augmentation.auto_augment
    meant = {
        "optimisation.betas, from 0 to below 1": all(0 <= beta < 1 for beta in how.betas),
        "optimisation.ema_decay, from 0 to below 1": 0 <= how.ema_decay < 1,
        "images.crop, a share of the side: above 0, at most 1": 0 < recipe.images.crop <= 1,
        "images.std, all above 0": min(recipe.images.std) > 0,
        "augmentation.scale, two shares of the area, the smaller first": 0 < low <= high <= 1,
        "augmentation.auto_augment in timm's form, as rand-m9-mstd0.5-inc1": not auto_augment
        or _AUTO_AUGMENT.fullmatch(auto_augment),
    }
    for wanted, is_so in meant.items():
        if not is_so:
            raise UsageError(f"recipe: needs {wanted}")
    if how.batch_size % how.accumulate:
        raise UsageError(
            f"recipe: a batch of {how.batch_size} has no {how.accumulate} equal parts; "
            "needs another optimisation.accumulate"
        )
    if not 0 <= plan.warmup_epochs < plan.epochs:
        raise UsageError(
            f"recipe: schedule.warmup_epochs is {plan.warmup_epochs}; needs fewer than the epochs "
            f"({plan.epochs})"
        )
    return recipe


def _require_choice(name: str, value: str, choices: Iterable[str]) -> None:
    if value not in choices:
        raise UsageError(f"recipe: {name} is {value!r}; there are {', '.join(choices)}")


def with_budget(recipe: Recipe, epochs: int, **changes: Any) -> Recipe:
    """The recipe in so many epochs, a third of them warm-up at the most, evaluated once, at the end.

    Raises:
        UsageError: that cannot be meant.
    """
    warmup = min(recipe.schedule.warmup_epochs, epochs // 3)
    schedule = replace(recipe.schedule, epochs=epochs, warmup_epochs=warmup, evaluate_every=epochs, **changes)
    return refuse_numbers(replace(recipe, schedule=schedule))
