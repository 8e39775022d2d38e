"""The vocabulary: what a protocol, a model, a sample and a claim are, as frozen dataclasses."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path

RGB = tuple[float, float, float]

IMAGENET_MEAN: RGB = (0.485, 0.456, 0.406)
IMAGENET_STD: RGB = (0.229, 0.224, 0.225)

N_CLASSES = 1000

PROTOCOL_NAMES = ("authors", "timm")

UNKNOWN_MIXER = "unknown"
"""The token mixer of a network that nobody described."""

COUNTERS = ("fvcore", "torch")
"""Who counts MACs: `fvcore` is the paper's convention, `torch` counts matrix products only."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """How a photograph becomes a square of `size_px` pixels; models that share one share the work.

    The shorter side is resized to `size_px / crop`, then the centre is cut out (`crop_mode`
    `center`), or both sides are resized alike, without keeping the aspect (`squash`).
    """

    size_px: int
    crop: float
    interpolation: str
    crop_mode: str = "center"

    def resized(self, width_px: int, height_px: int) -> tuple[int, int]:
        """Width and height of a photograph once it is resized, rounded as torchvision does it."""
        shorter_px = math.floor(self.size_px / self.crop)
        if self.crop_mode == "squash":
            return shorter_px, shorter_px
        if width_px <= height_px:
            return shorter_px, int(shorter_px * height_px / width_px)
        return int(shorter_px * width_px / height_px), shorter_px


@dataclass(frozen=True, slots=True)
class Protocol:
    """What is done to an image before a model sees it; `mean` and `std` are of values in [0, 1]."""

    size_px: int
    crop: float
    interpolation: str = "bicubic"
    mean: RGB = IMAGENET_MEAN
    std: RGB = IMAGENET_STD
    crop_mode: str = "center"

    @property
    def geometry(self) -> Geometry:
        return Geometry(self.size_px, self.crop, self.interpolation, self.crop_mode)

    @property
    def hash(self) -> str:
        """SHA-256 of these fields alone: two runs are comparable under one protocol."""
        return digest(asdict(self))

    def __str__(self) -> str:
        if (self.mean, self.std) == (IMAGENET_MEAN, IMAGENET_STD):
            normalisation = "ImageNet mean/std"
        else:
            normalisation = f"mean {_brief(self.mean)}, std {_brief(self.std)}"
        crop = f"crop {self.crop:g}" + ("" if self.crop_mode == "center" else f" {self.crop_mode}")
        return f"{self.size_px} px, {crop}, {self.interpolation}, {normalisation}"


def _brief(values: RGB) -> str:
    return f"{values[0]:g}" if len(set(values)) == 1 else str(values)


@dataclass(frozen=True, slots=True)
class HubWeights:
    """A safetensors file of a Hugging Face repository; `revision` is a branch or a commit."""

    repo_id: str
    filename: str = "model.safetensors"
    revision: str = "main"

    @property
    def location(self) -> str:
        return f"{self.repo_id}/{self.filename}"


@dataclass(frozen=True, slots=True)
class PackageWeights:
    """A PyTorch state dict that an installed package ships, its tensors in timm's order.

    It is opened only when the file's SHA-256 is `sha256`.
    """

    package: str
    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model of the catalogue: what it is, how its sources evaluate it, where its weights are.

    `tag` is the full timm name of the checkpoint, never a bare name whose default moves.
    `architecture` alone (no tag) is enough to count parameters and MACs.
    `params` (what is learned) and `macs` (by counter) are counts, checked by the tests against the counters.
    `built_by` says whose code the network is: `timm`, or `metaformer`, this project's own.
    """

    name: str
    token_mixer: str
    label: str = ""
    aliases: tuple[str, ...] = ()
    tag: str | None = None
    architecture: str | None = None
    protocols: Mapping[str, Protocol] = field(default_factory=dict)
    weights: HubWeights | PackageWeights | None = None
    unavailable: str = ""
    params: int | None = None
    macs: Mapping[str, int] = field(default_factory=dict)
    note: str = ""
    built_by: str = "timm"

    @property
    def runnable(self) -> bool:
        return not self.unavailable

    @property
    def needs_file(self) -> bool:
        """Whether its weights must be given: they are public, but nowhere that this project fetches from."""
        return self.runnable and self.weights is None and self.built_by == "metaformer"

    @property
    def timm_name(self) -> str | None:
        """The name timm builds the network by, or we: the full tag where there is one."""
        return self.tag or self.architecture


@dataclass(frozen=True, slots=True)
class Sample:
    """One labelled image: who it is, where its bytes are, which class it shows.

    `path` names the file (or archive member) relative to the dataset's root; `container` is the
    archive that holds it, if any, `position` its byte offset or row there, `size_bytes` its length
    where the listing knows it.
    """

    image_id: str
    path: str
    label: int
    container: str = ""
    position: int = 0
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Claim:
    """A number a source prints, as it prints it: the digits are the tolerance."""

    model: str
    quantity: str
    printed: Decimal
    source: str


def spelled_address(path: Path) -> str:
    """`s3://bucket/val` of a path that spells it, which pathlib makes `s3:/bucket/val`; empty for others."""
    scheme, colon, rest = str(path).partition(":/")
    return f"{scheme}://{rest.lstrip('/')}" if colon and scheme.isalnum() else ""


def digest(value: object) -> str:
    """SHA-256, in hexadecimal, of a value's canonical JSON."""
    return hashlib.sha256(_canonical(value)).hexdigest()


def digest_each(values: Iterable[object]) -> str:
    """What `digest` gives of a list of `values`, of which one at a time is in memory."""
    hasher = hashlib.sha256(b"[")
    for i, value in enumerate(values):
        hasher.update(b"," + _canonical(value) if i else _canonical(value))
    hasher.update(b"]")
    return hasher.hexdigest()


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
