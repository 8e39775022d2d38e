"""Whether a heat map shows what the network used: take it away, and see how far the answer falls.

Deletion (Petsiuk et al. 2018, section 3.1), held against random maps: the pixels that a map ranks highest
are replaced by the coarse average of the crop, and the target falls; a map is faithful as far as it
falls further than with random maps of the same resolution.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from repro.evaluation.leads import among
from repro.evaluation.predict import predict
from repro.explain.heat_maps import Floats, Target
from repro.specs import Protocol

REMOVED = (0.1, 0.3)
"""The fractions of the pixels that are taken away."""

RANDOM_MAPS = 2

_COARSE = 7
"""Cells a side of the average that takes the pixels' place."""


def falls(
    network: torch.nn.Module,
    crops: Tensor,
    protocol: Protocol,
    maps: Sequence[Floats],
    targets: Sequence[Target],
    seeds: Sequence[str],
    classes: Sequence[int] = (),
) -> tuple[Floats, Floats]:
    """How far each target falls for each image, by its map and by random maps: `(targets, b)` each, in nats.

    Args:
        network: On the crops' device.
        crops: uint8 `(b, 3, h, w)`.
        protocol: How the crops are normalised.
        maps: For each target `(b, side, side)`, the larger the earlier removed.
        targets: Of logits; what is measured is the target of log-probabilities.
        seeds: For each image a text, its id, that decides its random maps.
        classes: What the images are answered among; empty: all 1000.
    """

    def measure(some: Floats, wanted: Sequence[Target]) -> Floats:
        """What `wanted` are once the highest of `some` are removed, on average over `REMOVED`."""
        order = _upsampled(some, crops).flatten(1).argsort(dim=1, descending=True)
        after = [answer(remove(crops, order, fraction), wanted) for fraction in REMOVED]
        mean: Floats = np.mean(after, axis=0, dtype=np.float32)
        return mean

    def answer(pixels: Tensor, wanted: Sequence[Target]) -> Floats:
        log_p = among(predict(network, pixels, protocol), classes).log_softmax(dim=1)
        return np.stack([target(log_p).numpy() for target in wanted])

    before = answer(crops, targets)
    by_map = np.stack([measure(some, [target])[0] for some, target in zip(maps, targets, strict=True)])
    side = maps[0].shape[1]
    random = [
        measure(np.stack([_random_map(f"{seed}/{i}", side) for seed in seeds]), targets)
        for i in range(RANDOM_MAPS)
    ]
    return before - by_map, before - np.mean(random, axis=0, dtype=np.float32)


def remove(crops: Tensor, order: Tensor, fraction: float) -> Tensor:
    """The crops without the first `fraction` of their pixels in `order` `(b, h * w)`."""
    pixels = crops.float()
    if crops.device.type == "mps":  # where it takes only sides that _COARSE divides
        pixels = pixels.cpu()
    means = adaptive_avg_pool2d(pixels, _COARSE).to(crops.device)
    coarse = interpolate(means, crops.shape[2:], mode="bilinear", align_corners=False)
    first = order[:, : round(fraction * order.shape[1])]
    gone = torch.zeros(order.shape, dtype=torch.bool, device=crops.device).scatter_(1, first, value=True)
    return torch.where(gone.view(-1, 1, *crops.shape[2:]), coarse.round().to(torch.uint8), crops)


def _upsampled(maps: Floats, crops: Tensor) -> Tensor:
    grid = torch.from_numpy(np.nan_to_num(maps)).to(crops.device)[:, None]
    return interpolate(grid, crops.shape[2:], mode="bilinear", align_corners=False)[:, 0]


def _random_map(seed: str, side: int) -> Floats:
    number = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8])
    return np.random.default_rng(number).random((side, side), dtype=np.float32)
