"""The variations of a protocol, as data: one factor at a time is set to another value that people use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace

from repro.specs import IMAGENET_MEAN, IMAGENET_STD, RGB, Geometry, Protocol

PILLOW = "pillow"
TENSOR, TENSOR_ALIASED = "tensor", "tensor-aliased"

BACKENDS = {
    TENSOR: "torchvision tensor, antialias",
    TENSOR_ALIASED: "torchvision tensor, no antialias",
    "INTER_LINEAR": "OpenCV INTER_LINEAR",
    "INTER_AREA": "OpenCV INTER_AREA",
    "INTER_CUBIC": "OpenCV INTER_CUBIC",
}
"""What resizes instead of Pillow; OpenCV brings its own interpolation."""

CROPS = (0.875, 0.9, 0.95, 1.0)
SIZES_PX = (256, 288)
INTERPOLATIONS = ("bicubic", "bilinear", "lanczos", "nearest")
CROP_MODES = {"center": "kept", "squash": "squashed"}

NORMALISATIONS: dict[tuple[RGB, RGB], str] = {
    (IMAGENET_MEAN, IMAGENET_STD): "ImageNet",
    ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)): "0.5",
    ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)): "none",
}


@dataclass(frozen=True, slots=True)
class View(Geometry):
    """A geometry, and what resizes to it; settings that share one share the work."""

    backend: str = PILLOW


@dataclass(frozen=True, slots=True)
class Setting:
    """Everything that decides a prediction beside image, weights and environment.

    `dtype` other than `float32` is that of torch's autocast.
    """

    protocol: Protocol
    backend: str = PILLOW
    channels: str = "RGB"
    dtype: str = "float32"
    memory_format: str = "contiguous"

    @property
    def view(self) -> View:
        geometry = self.protocol.geometry
        return View(**asdict(geometry), backend=self.backend)


@dataclass(frozen=True, slots=True)
class Variation:
    """A setting with one `factor` set to `value`, both in words."""

    factor: str
    value: str
    setting: Setting

    @property
    def name(self) -> str:
        return f"{self.factor} {self.value}"


def list_variations(own: Protocol, named: Mapping[str, Protocol]) -> tuple[Variation, ...]:
    """The variations of `own`, each with another setting; `named` are the model's protocols.

    Values of the named protocols are among those tried; a protocol that differs in several fields
    is tried as a whole, too.
    """
    seen, found = {Setting(own)}, []
    for variation in _every(own, named):
        if variation.setting not in seen:
            seen.add(variation.setting)
            found.append(variation)
    return tuple(found)


def _every(own: Protocol, named: Mapping[str, Protocol]) -> Iterator[Variation]:
    """In the table's order; settings may repeat."""
    setting, protocols = Setting(own), list(named.values())
    for crop in sorted({*CROPS, *(p.crop for p in protocols)}):
        yield Variation("crop", str(crop), Setting(replace(own, crop=crop)))
    for size_px in sorted({*SIZES_PX, *(p.size_px for p in protocols)}):
        yield Variation("size", f"{size_px} px", Setting(replace(own, size_px=size_px)))
    for interpolation in dict.fromkeys([*INTERPOLATIONS, *(p.interpolation for p in protocols)]):
        yield Variation("interpolation", interpolation, Setting(replace(own, interpolation=interpolation)))
    for crop_mode, words in CROP_MODES.items():
        yield Variation("aspect", words, Setting(replace(own, crop_mode=crop_mode)))
    for backend, words in BACKENDS.items():
        yield Variation("resize", words, replace(setting, backend=backend))
    for mean, std in dict.fromkeys([*NORMALISATIONS, *((p.mean, p.std) for p in protocols)]):
        words = NORMALISATIONS.get((mean, std), f"{mean}, {std}")
        yield Variation("mean/std", words, Setting(replace(own, mean=mean, std=std)))
    yield Variation("channels", "BGR", replace(setting, channels="BGR"))
    for dtype in ("bfloat16", "float16"):
        yield Variation("autocast", dtype, replace(setting, dtype=dtype))
    yield Variation("memory", "channels last", replace(setting, memory_format="channels_last"))
    for name, protocol in named.items():
        yield Variation("protocol", name, Setting(protocol))
