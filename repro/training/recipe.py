"""What decides a training, as data: a TOML file, read and refused before torch is imported."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from repro.architecture import Architecture
from repro.exceptions import UsageError
from repro.results.typed import check_types
from repro.specs import IMAGENET_MEAN, IMAGENET_STD, RGB, Protocol, digest

_T = TypeVar("_T")

SCHEDULES = ("cosine", "tanh")
"""Those of timm's that end at `final_rate` after the epochs that a recipe has."""

PRECISIONS = ("fp32", "bf16")
OPTIMIZERS = ("adamw", "adam", "nadamw", "lion", "sgd", "rmsprop")
"""Those of timm's that go on after a stop to the same bits: a test holds each to it."""

INTERPOLATIONS = ("bicubic", "bilinear", "nearest", "lanczos", "box", "hamming")
_AUTO_AUGMENT = re.compile(
    r"rand(-(m\d+|n\d+|w\d+|p0?\.\d+|mstd\d+(\.\d+)?|mmax\d+|inc[01]|t\d\w*))*"
    r"|augmix(-(m\d+|w\d+|d-?\d+|a\d+(\.\d+)?|b[01]|mstd\d+(\.\d+)?))*"
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


def find_recipe(
    name: str, settings: Sequence[str] = (), settled: Mapping[str, str] = MappingProxyType({})
) -> Recipe:
    """The recipe called `name`, or in the file `name`, with `settings` (`schedule.epochs=5`) in its place.

    `settled` are keys that no setting may have, and who says them instead.

    Raises:
        UsageError: there is none, or something in it cannot be meant; the choices are in the message.
    """
    known = _known()
    path = Path(name)
    if name in known:
        values = known[name]
    elif path.suffix == ".toml" and path.is_file():
        values = _read(_text(path), str(path))
    else:
        near = difflib.get_close_matches(name, known, n=1)
        meant = f"did you mean {near[0]}? " if near else ""
        raise UsageError(f"unknown recipe {name!r}; {meant}there are {', '.join(known)}, or FILE.toml")
    for setting in settings:
        differences = _setting(setting)
        for key in settled.keys() & _keys(differences):
            raise UsageError(f"--set {key} has no effect here; it is settled by {settled[key]}")
        values = _merged(values, differences)
    return _refuse_numbers(_built(Recipe, {"name": path.stem, **values}, ""))


def _known() -> dict[str, dict[str, Any]]:
    """The recipes that come along, and their variants, by name."""
    found: dict[str, dict[str, Any]] = {}
    for file in sorted(files("repro.training").joinpath("recipes").iterdir(), key=lambda file: file.name):
        if not file.name.endswith(".toml"):
            continue
        values = _read(file.read_text(encoding="utf-8"), file.name)
        variants = values.pop("variant", {})
        found[values["name"]] = values
        for name, differences in variants.items():
            found[name] = _merged(values, {**differences, "name": name})
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read as text in UTF-8: {error}") from None


def _read(text: str, file: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file} is no TOML: {error}") from None


def _setting(text: str) -> dict[str, Any]:
    """`schedule.epochs=5` as nested tables; a value that is no TOML is taken for a text."""
    path, equals, value = text.partition("=")
    if not (path and equals):
        raise UsageError(f"--set {text!r} is not of the form KEY=VALUE", hint="--set schedule.epochs=5")
    try:
        parsed: Any = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value
    for key in reversed(path.split(".")):
        parsed = {key: parsed}
    return dict(parsed)


def _keys(values: Mapping[str, Any], where: str = "") -> Iterator[str]:
    """Of nested tables: `schedule.epochs`."""
    for key, value in values.items():
        yield f"{where}{key}"
        if isinstance(value, dict):
            yield from _keys(value, f"{where}{key}.")


def _merged(values: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(values)
    for key, other in others.items():
        both = isinstance(merged.get(key), dict) and isinstance(other, dict)
        merged[key] = _merged(merged[key], other) if both else other
    return merged


def _built(kind: type[_T], values: Mapping[str, Any], where: str) -> _T:
    """A dataclass of TOML's values: every key known, none missing, every value of its type."""
    hints = get_type_hints(kind)
    for key in values:
        if key not in hints:
            near = difflib.get_close_matches(key, hints, n=1)
            choices = f"did you mean {near[0]}?" if near else f"there are {', '.join(hints)}"
            raise UsageError(f"recipe: unknown key {where}{key}; {choices}")
    built: dict[str, Any] = {}
    for key, value in values.items():
        wanted = hints[key]
        if isinstance(wanted, type) and is_dataclass(wanted):
            if not isinstance(value, dict):
                raise UsageError(f"recipe: {where}{key} is no table: write [{key}]")
            built[key] = _built(wanted, value, f"{where}{key}.")
        else:
            built[key] = tuple(value) if isinstance(value, list) else value
            _check(built[key], wanted, f"{where}{key}")
    try:
        return kind(**built)
    except TypeError as error:
        missing = str(error).partition("argument")[2].lstrip("s: ")
        raise UsageError(f"recipe: {where or 'the recipe'} lacks {missing}") from None


def _check(value: Any, wanted: Any, name: str) -> None:
    if isinstance(wanted, UnionType):  # a text or several: by what there is
        wanted = next(
            (kind for kind in get_args(wanted) if (get_origin(kind) or kind) is type(value)), wanted
        )
    try:
        check_types(value, wanted, name)
    except (TypeError, ValueError) as error:
        told = str(error) if name in str(error) else f"{name} is {value!r}, of another length"
        raise UsageError(f"recipe: {told}") from None


def _refuse_numbers(recipe: Recipe) -> Recipe:
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
    augmentation = asdict(recipe.augmentation)
    for name in ("flip", "random_erasing", "switch", "label_smoothing"):
        if not 0 <= augmentation[name] <= 1:
            raise UsageError(f"recipe: augmentation.{name} is {augmentation[name]}; needs 0 to 1")
    low, high = recipe.augmentation.scale
    auto_augment = recipe.augmentation.auto_augment
    meant = {
        "optimisation.betas, from 0 to below 1": all(0 <= beta < 1 for beta in how.betas),
        "optimisation.ema_decay, from 0 to below 1": 0 <= how.ema_decay < 1,
        "optimisation.clip_norm, 0 or more": how.clip_norm >= 0,
        "images.crop, a share of the side: above 0, at most 1": 0 < recipe.images.crop <= 1,
        "augmentation.color_jitter, 0 or more": augmentation["color_jitter"] >= 0,
        "images.std, all above 0": min(recipe.images.std) > 0,
        "augmentation.scale, two shares of the area, the smaller first": 0 < low <= high <= 1,
        "augmentation.mixup and cutmix, 0 or more": min(augmentation["mixup"], augmentation["cutmix"]) >= 0,
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
    return _refuse_numbers(replace(recipe, schedule=schedule))


def describe(recipe: Recipe) -> dict[str, Any]:
    """All that it says, as JSON can hold it."""
    return {f.name: _plain(getattr(recipe, f.name)) for f in fields(recipe)}


def _plain(value: Any) -> Any:
    return value if isinstance(value, str) else asdict(value)
