"""What this machine can do at the most: multiply matrices, and decode photographs."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

SIDE = 2048
ROUNDS = 5


def matrix_gmacs(dtype_name: str) -> float:
    """Billions of multiply-accumulates a second, of the fastest of some products of square matrices."""
    import torch

    dtype = getattr(torch, dtype_name)
    first, second = (torch.randn(SIDE, SIDE).to(dtype) for _ in range(2))
    _ = first @ second
    fastest = float("inf")
    for _ in range(ROUNDS):
        started = time.perf_counter()
        _ = first @ second
        fastest = min(fastest, time.perf_counter() - started)
    return SIDE**3 / fastest / 1e9


def decoded_per_second(paths: Sequence[Path]) -> float:
    """Photographs read, decoded and cropped to 224 px a second, by as many processes as there are cores."""
    from repro.specs import Geometry

    crop = partial(_crop, geometry=Geometry(224, 0.875, "bicubic"))
    cores = os.cpu_count() or 1
    with ProcessPoolExecutor(cores) as pool:
        list(pool.map(crop, paths[:cores]))  # imports
        started = time.perf_counter()
        list(pool.map(crop, paths, chunksize=8))
        return len(paths) / (time.perf_counter() - started)


def _crop(path: Path, geometry: object) -> None:
    from repro.datasets.decode import decode
    from repro.evaluation.preprocess import crop

    crop(decode(path.read_bytes()).rgb, geometry)  # type: ignore[arg-type]
