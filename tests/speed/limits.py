"""What this machine can do at the most: multiply matrices, and decode photographs."""

from __future__ import annotations

import os
import platform
import re
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

SIDES = {"cpu": 2048, "cuda": 8192, "mps": 4096}
"""Of the matrices; on a GPU smaller ones measure how fast it is told what to do."""

ROUNDS = 5


def measure_limits(device: str, paths: Sequence[Path]) -> dict[str, float]:
    """Of matrix products and of decoding, each alone."""
    found = {f"{name}_gmacs_per_second": _matrix_gmacs(device, name) for name in ("float32", "bfloat16")}
    return found | {"decoded_per_second": _decoded_per_second(paths)}


def processor(device: str) -> str:
    """How many cores of which kind, and what they multiply bf16 with; the GPU, where that is the device."""
    import torch

    info = Path("/proc/cpuinfo")
    text = info.read_text() if info.is_file() else ""
    name = re.search(r"^model name\s*: (.*)$", text, re.MULTILINE)
    units = [unit for unit in ("avx512_bf16", "amx_bf16") if re.search(rf"\b{unit}\b", text)]
    described = name[1] if name else platform.machine()
    cores = f"{os.cpu_count()} cores, {described}, {' and '.join(units) or 'no unit for bf16'}"
    return f"{torch.cuda.get_device_name()}; {cores}" if device == "cuda" else cores


def _matrix_gmacs(device: str, dtype_name: str) -> float:
    """Billions of multiply-accumulates a second, of the fastest of some products of square matrices."""
    import torch

    dtype = getattr(torch, dtype_name)
    side = SIDES[device]
    first, second = (torch.randn(side, side).to(device, dtype) for _ in range(2))
    float((first @ second)[0, 0])
    fastest = float("inf")
    for _ in range(ROUNDS):
        started = time.perf_counter()
        float((first @ second)[0, 0])  # which waits for a GPU
        fastest = min(fastest, time.perf_counter() - started)
    return side**3 / fastest / 1e9


def _decoded_per_second(paths: Sequence[Path]) -> float:
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
