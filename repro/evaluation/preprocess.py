"""From a photograph to what a model sees, bit for bit as timm's evaluation transform does it.

Loader processes make uint8 crops (`crop`), one for each distinct geometry; the device turns them
into floats (`normalise`), one for each distinct mean and std.
"""

from __future__ import annotations

import math
from functools import cache

import torch
from PIL.Image import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms.functional import center_crop, pil_to_tensor, resize

from repro.specs import RGB, Geometry, Protocol


def crop(image: Image, geometry: Geometry) -> torch.Tensor:
    """The `(3, size_px, size_px)` uint8 crop of an RGB photograph."""
    shorter_px = math.floor(geometry.size_px / geometry.crop)
    # One number keeps the aspect ratio, two do not.
    size = [shorter_px, shorter_px] if geometry.crop_mode == "squash" else [shorter_px]
    resized = resize(image, size, InterpolationMode(geometry.interpolation))
    pixels: torch.Tensor = pil_to_tensor(center_crop(resized, [geometry.size_px, geometry.size_px]))
    return pixels


def normalise(pixels: torch.Tensor, protocol: Protocol) -> torch.Tensor:
    """`(b, 3, h, w)` uint8 to float32: `(pixels / 255 - mean) / std`, in this order of operations."""
    mean, std = (_per_channel(values, pixels.device) for values in (protocol.mean, protocol.std))
    return pixels.to(torch.float32).div_(255).sub_(mean).div_(std)


@cache  # a copy to a GPU waits for all that it has been told to compute
def _per_channel(values: RGB, device: torch.device) -> torch.Tensor:
    return torch.tensor(values, device=device).view(3, 1, 1)
