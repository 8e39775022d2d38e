"""Images that carry their class painted on them, and a network that reads it back.

A right pipeline scores 100 %: any fault in labels, order, channels, orientation or normalisation
shows as a wrong class, exactly predictable and without any weights from outside.

The class's three digits are colours in three quadrants; the fourth holds a mark for the orientation.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from PIL import Image
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from torch import nn

from repro.catalogue.classes import load_classes
from repro.specs import IMAGENET_MEAN, IMAGENET_STD
from tests.timm_cfg import cfg_of

NAME = "timm:repro_oracle.painted"
FORGETFUL = "timm:repro_oracle.forgetful"
"""Takes every class below one that its weights name for the class 500 further on."""

SIZE_PX = 48

# Red and blue always differ, so that swapped channels read as other digits; the last is the mark.
PALETTE = [(0, g, 1) for g in (0, 0.5, 1)] + [(1, g, 0) for g in (0, 0.5, 1)]
PALETTE += [(0, g, 0.5) for g in (0, 0.5, 1)] + [(0.5, g, 0) for g in (0, 1)]
MARK = 10


def paint(label: int, size_px: int = 80) -> Image.Image:
    """A photograph, as it were, of class `label`."""
    digits = [label // 100, label // 10 % 10, label % 10, MARK]
    colours = (np.array([PALETTE[d] for d in digits]).reshape(2, 2, 3) * 255).astype(np.uint8)
    return Image.fromarray(colours).resize((size_px, size_px), Image.Resampling.NEAREST)


def paint_folders(root: Path, labels: Iterable[int], per_class: int = 1) -> Path:
    """Class folders of painted JPEGs; every image differs from every other by its size."""
    for label in labels:
        folder = root / load_classes()[label].wnid
        folder.mkdir(parents=True, exist_ok=True)
        for i in range(per_class):
            paint(label, 60 + 4 * i + label % 4).save(folder / f"{label:03d}_{i}.JPEG", quality=95)
    return root


class Oracle(nn.Module):
    """Reads the digits: a class scores by how near its colours are; a misplaced mark shifts all classes."""

    def __init__(self, num_classes: int = 1000, **_: Any) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.register_buffer("palette", torch.tensor(PALETTE, dtype=torch.float32))
        self.register_buffer("forgotten", torch.tensor(0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean, std = (x.new_tensor(v).view(3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
        quadrants = nn.functional.adaptive_avg_pool2d(x * std + mean, 8)[:, :, 1::4, 1::4]
        colours = quadrants.flatten(2).transpose(1, 2)  # (b, 4, 3)
        near = -torch.cdist(colours, self.palette).square()  # (b, 4, 11)
        hundreds, tens, units = (near[:, i, :10] for i in range(3))
        logits = hundreds[:, :, None, None] + tens[:, None, :, None] + units[:, None, None, :]
        logits = logits.flatten(1) * 20
        wrong = (near[:, 3].argmax(dim=1) != MARK) | (logits.argmax(dim=1) < self.forgotten)
        return torch.where(wrong[:, None], logits.roll(500, dims=1), logits)


_CFG = cfg_of("repro/oracle", SIZE_PX)
default_cfgs = generate_default_cfgs({"repro_oracle.painted": _CFG, "repro_oracle.forgetful": _CFG})


@register_model
def repro_oracle(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    return build_model_with_cfg(Oracle, "repro_oracle", pretrained, **kwargs)


def save_weights(path: Path, forgotten: int = 0) -> Path:
    """The oracle's tensors, as the file that `--weights` takes; classes below `forgotten` go wrong."""
    tensors = {**Oracle().state_dict(), "forgotten": torch.tensor(forgotten)}
    safetensors.torch.save_file(tensors, path)
    return path
