"""What timm is told of a network that only tests have."""

from __future__ import annotations

from typing import Any

from repro.specs import IMAGENET_MEAN, IMAGENET_STD


def cfg_of(hub_id: str, size_px: int = 48, crop: float = 0.875) -> dict[str, Any]:
    """Of a network for crops of `size_px` pixels a side, among the 1000 classes."""
    return {
        "hf_hub_id": hub_id,
        "input_size": (3, size_px, size_px),
        "crop_pct": crop,
        "interpolation": "bicubic",
        "mean": IMAGENET_MEAN,
        "std": IMAGENET_STD,
        "num_classes": 1000,
    }
