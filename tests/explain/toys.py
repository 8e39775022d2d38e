"""Networks whose one cause of error is known: apparent size, surroundings, or arrangement alone.

Each looks at pictures of a red or yellow thing before a background, and has a layer `features`, which
gives the picture itself, for heat maps. What they cannot judge by their own cause they call `NOTHING`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from PIL import Image
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from torch import Tensor, nn

from repro.catalogue.classes import load_classes
from repro.datasets.boxes import Box
from repro.evaluation.evaluate import evaluate
from repro.evaluation.plan import Request, plan_evaluation
from repro.explain.opened import OpenRun, open_run
from repro.specs import IMAGENET_MEAN, IMAGENET_STD
from tests.evaluation.test_evaluate import Watcher
from tests.timm_cfg import cfg_of

SIZE_PX, WHOLE_PX = 56, 64
SMALL, BIG, NOTHING = 10, 20, 500
LAYER = "features"
SHARE = 0.10
"""Of the crop, from which on a thing is big."""

RING_PX = 6
COLOURED = 0.2

RED, YELLOW, GREEN, BLUE = (
    np.array(colour, np.float32)
    for colour in ((0.9, 0.1, 0.1), (0.9, 0.9, 0.1), (0.2, 0.7, 0.2), (0.2, 0.3, 0.8))
)


class Toy(nn.Module):
    """Undoes the normalisation, and shows the picture to `features`."""

    def __init__(self, num_classes: int = 1000, **_: Any) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.features = nn.Conv2d(3, 3, 1, bias=False)
        nn.init.dirac_(self.features.weight)

    def forward(self, x: Tensor) -> Tensor:
        mean, std = (x.new_tensor(v).view(3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
        logits = x.new_full((len(x), self.num_classes), -50.0)
        small, big, nothing = self.decide(self.features(x * std + mean))
        logits[:, SMALL], logits[:, BIG], logits[:, NOTHING] = small, big, nothing
        return logits

    def decide(self, picture: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of `SMALL`, `BIG` and `NOTHING`."""
        raise NotImplementedError


class BySize(Toy):
    """A red thing is big from `SHARE` of the crop on."""

    def decide(self, picture: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        redness = picture[:, 0] - picture[:, 1:].amax(dim=1)
        share = torch.sigmoid(40 * (redness - 0.5)).mean(dim=(1, 2))
        return 100 * (SHARE - share), 100 * (share - SHARE), 1000 * (0.02 - share)


class BySurroundings(Toy):
    """What stands on green is small, on blue big; only before colourless surroundings the thing counts."""

    def decide(self, picture: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        ring = torch.ones_like(picture[0, 0])
        ring[RING_PX:-RING_PX, RING_PX:-RING_PX] = 0
        around = (picture * ring).sum(dim=(2, 3)) / ring.sum()
        inner = slice(SIZE_PX // 2 - 4, SIZE_PX // 2 + 4)
        thing = picture[:, :, inner, inner].mean(dim=(2, 3))
        colour, own = (values.amax(dim=1) - values.amin(dim=1) for values in (around, thing))
        by_ring = 100 * (around[:, 1] - around[:, 2])
        by_thing = 100 * (0.5 - thing[:, 1])  # red is small, yellow big
        towards_small = torch.where(colour > COLOURED, by_ring, by_thing)
        nothing = torch.where((colour <= COLOURED) & (own <= 0.4), 1000.0, -1000.0)
        return towards_small, -towards_small, nothing


class ByArrangement(Toy):
    """It is small if the darkest quarter is at the top left, big otherwise."""

    def decide(self, picture: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        quarters = nn.functional.adaptive_avg_pool2d(picture.mean(dim=1, keepdim=True), 2).flatten(1)
        towards_small = 100 * (quarters[:, 1:].amin(dim=1) - quarters[:, 0])
        return towards_small, -towards_small, towards_small * 0 - 1000


TOYS: dict[str, type[Toy]] = {"size": BySize, "context": BySurroundings, "shape": ByArrangement}

default_cfgs = generate_default_cfgs(
    {f"repro_by_{kind}.toy": cfg_of(f"repro/by_{kind}", SIZE_PX, SIZE_PX / WHOLE_PX) for kind in TOYS}
)


@register_model
def repro_by_size(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    return build_model_with_cfg(BySize, "repro_by_size", pretrained, **kwargs)


@register_model
def repro_by_context(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    return build_model_with_cfg(BySurroundings, "repro_by_context", pretrained, **kwargs)


@register_model
def repro_by_shape(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    return build_model_with_cfg(ByArrangement, "repro_by_shape", pretrained, **kwargs)


@dataclass(frozen=True)
class Picture:
    """A photograph of `WHOLE_PX`, its true class, and where the thing is in it."""

    pixels: NDArray[np.uint8]
    label: int
    box: Box


def picture_for(kind: str, label: int, right: bool, rng: np.random.Generator) -> Picture:
    """One that the network of this kind gets right, or wrong for its own cause."""
    looks = label if right else SMALL + BIG - label
    x, y = WHOLE_PX / 2 + rng.uniform(-3, 3, 2)
    background, thing, radius = (GREEN, BLUE)[rng.integers(2)], RED, 9.0
    if kind == "size":
        share = SHARE * (rng.uniform(0.6, 0.8) if looks == SMALL else rng.uniform(1.25, 1.6))
        radius = SIZE_PX * (share / np.pi) ** 0.5
    if kind == "context":
        background, thing, (x, y) = (
            (GREEN if looks == SMALL else BLUE),
            (RED if label == SMALL else YELLOW),
            (32, 32),
        )
    canvas = np.broadcast_to(background, (WHOLE_PX, WHOLE_PX, 3)).copy()
    canvas += rng.normal(0, 0.03, canvas.shape)
    if kind == "shape":
        dark = (0, 0) if looks == SMALL else [(0, 1), (1, 0), (1, 1)][rng.integers(3)]
        half = WHOLE_PX // 2
        canvas[dark[0] * half : (dark[0] + 1) * half, dark[1] * half : (dark[1] + 1) * half] *= 0.4
        x = y = WHOLE_PX / 2
        thing = None
    rows, columns = np.mgrid[:WHOLE_PX, :WHOLE_PX] + 0.5
    if thing is not None:
        canvas[np.hypot(columns - x, rows - y) < radius] = thing
    box = Box(x - radius - 2, y - radius - 2, x + radius + 2, y + radius + 2)
    return Picture((np.clip(canvas, 0, 1) * 255).astype(np.uint8), label, box)


def save_pictures(root: Path, pictures: list[Picture]) -> dict[str, tuple[Box, ...]]:
    """Class folders of them; the boxes by image id."""
    boxes = {}
    for i, picture in enumerate(pictures):
        folder = root / load_classes()[picture.label].wnid
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture.pixels).save(folder / f"thing_{i:03d}.png")
        boxes[f"thing_{i:03d}"] = (picture.box,)
    return boxes


def among(run: OpenRun, classes: tuple[int, ...]) -> OpenRun:
    """The run as one of a test set with these classes alone, the first of which is answered everywhere."""
    dataset = replace(run.record.dataset, classes=classes)
    rows = {image_id: {**row, "top5": list(classes[:5])} for image_id, row in run.rows.items()}
    return replace(run, record=replace(run.record, dataset=dataset), rows=rows)


def evaluate_toy(
    kind: str, folder: Path, pictures: list[Picture], spoil: Callable[[Path], None] | None = None
) -> tuple[OpenRun, dict[str, tuple[Box, ...]]]:
    """The opened run of the network of this kind on these pictures, and their boxes.

    `spoil` may change the folder of pictures between evaluation and opening.
    """
    boxes = save_pictures(folder / "photos", pictures)
    name = f"timm:repro_by_{kind}.toy"
    weights = folder / f"{kind}.safetensors"
    safetensors.torch.save_file(TOYS[kind]().state_dict(), weights)
    request = Request(
        models=[name],
        runs=folder / "runs",
        data=folder / "photos",
        weights={name: weights},
        device="cpu",
        batch_size=16,
        workers=0,
    )
    (record,) = evaluate(plan_evaluation(request), Watcher())
    if spoil is not None:
        spoil(folder / "photos")
    return open_run(request.runs / record.run_id, device="cpu", batch_size=16), boxes
