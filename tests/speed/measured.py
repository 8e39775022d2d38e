"""What the benchmark measured of a set of models, and what it comes to."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from resource import struct_rusage

TIMM = "timm"


@dataclass(frozen=True, slots=True)
class Took:
    """What a command took: seconds on the wall and of all cores, the most memory of one of its processes.

    `pass_seconds` are those of its passes over the images alone, without imports (and, timm's, without
    networks being built); `waited` is the share of the pass in which our networks waited for images.
    """

    seconds: float
    cpu_seconds: float
    peak_mib: float
    pass_seconds: float = 0.0
    waited: float | None = None


@dataclass
class Measured:
    """All rounds of a set of models: what each side took, on how many images it decides as timm's does.

    Decided alike are the class, and whether the label is among the first five. `first` are the seconds of
    the round that does not count.
    """

    models: Sequence[str]
    n_images: int
    took: dict[str, list[Took]] = field(default_factory=dict)
    first: dict[str, float] = field(default_factory=dict)
    same: dict[str, float] = field(default_factory=dict)

    def ratios(self, side: str) -> list[float]:
        """By round, how many times as fast as timm."""
        return [t.seconds / own.seconds for t, own in zip(self.took[TIMM], self.took[side], strict=True)]

    def pass_ratios(self, side: str) -> list[float]:
        """By round, how many times as fast the passes over the images are, start-up aside."""
        pairs = zip(self.took[TIMM], self.took[side], strict=True)
        return [timm.pass_seconds / own.pass_seconds for timm, own in pairs]

    def images_per_second(self, side: str) -> float:
        seconds = statistics.median(took.seconds for took in self.took[side])
        return self.n_images * len(self.models) / seconds


def peak_mib(used: struct_rusage) -> float:
    """The most memory of a process; macOS counts it in bytes, others in KiB."""
    return used.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def to_values(of: Measured, limits: Mapping[str, float]) -> dict[str, Any]:
    """As `bench.json` has them; `limits` are those of the machine (`limits.py`)."""
    return {
        "models": list(of.models),
        "images": of.n_images,
        "sides": {
            side: {
                "first_seconds": round(of.first[side], 3),
                "seconds": [round(t.seconds, 3) for t in took],
                "cpu_seconds": [round(t.cpu_seconds, 3) for t in took],
                "peak_mib": round(max(t.peak_mib for t in took)),
                "images_per_second": round(of.images_per_second(side), 3),
                "of_the_limit": round(of.images_per_second(side) / _limit(of.models, side, limits), 4),
                "ratios": [round(ratio, 4) for ratio in of.ratios(side)],
                "pass_ratios": [round(ratio, 4) for ratio in of.pass_ratios(side)],
                "waited": [None if t.waited is None else round(t.waited, 5) for t in took],
                "decided_alike": of.same.get(side),
            }
            for side, took in of.took.items()
        },
    }


def _limit(models: Sequence[str], side: str, limits: Mapping[str, float]) -> float:
    """Images a second, all models counted, if the cores did nothing but decode each photograph once and
    multiply matrices, both as fast as they did alone."""
    from repro.catalogue.models import find_model

    fp32, bf16 = (limits[f"{dtype}_gmacs_per_second"] for dtype in ("float32", "bfloat16"))
    # exact-fast computes in whichever of them its copy of the network is faster in.
    gmacs = max(fp32, bf16) if side.startswith("exact-fast") else bf16 if side == "bf16" else fp32
    seconds = sum(find_model(name).macs["fvcore"] for name in models) / 1e9 / gmacs
    if "crops kept" not in side:
        seconds += 1 / limits["decoded_per_second"]
    return len(models) / seconds
