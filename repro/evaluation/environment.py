"""Where the numbers are made: device, numerics, versions of what computes, state of the code."""

from __future__ import annotations

import ctypes
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import torch
from PIL import features

import repro
from repro.exceptions import UsageError
from repro.results.record import Numerics

PACKAGES = ("numpy", "pillow", "timm", "torch", "torchvision")
"""Whose versions can move a prediction."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""By malloc.h: how much free memory at its end a process keeps, and the least that is mapped alone."""

BATCH_SIZES = {"cpu": 16, "cuda": 128, "mps": 64}


def set_numerics(device: str, batch_size: int | None, threads: int | None) -> Numerics:
    """Chooses the device and sets torch to plain fp32 there: no TF32, no autotuned kernels.

    Raises:
        UsageError: the device is not there.
    """
    present = available_devices()
    chosen = present[0] if device == "auto" else device
    if chosen not in present:
        raise UsageError(f"device {device!r} is not there; this machine has {', '.join(reversed(present))}")
    if chosen == "cuda":
        torch.cuda.set_device(_place_on_machine() % torch.cuda.device_count())
    if threads:
        torch.set_num_threads(threads)
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    if chosen == "cpu":
        keep_freed_memory()
    return Numerics(
        device=chosen,
        device_name=name_device(chosen),
        dtype="float32",
        tf32=False,
        threads=torch.get_num_threads(),
        batch_size=batch_size or BATCH_SIZES[chosen],
    )


def name_device(device: str) -> str:
    """What computes: other vector instructions of a CPU are other kernels, and other last bits."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    if device == "cpu":
        return f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
    brand = ("sysctl", "-n", "machdep.cpu.brand_string")  # "Apple M2": the GPU is in it
    return subprocess.run(brand, capture_output=True, text=True, check=True).stdout.strip()


def _place_on_machine() -> int:
    """Which of this machine's processes it is, by torchrun or Slurm: each has a GPU of its own."""
    return int(os.environ.get("LOCAL_RANK") or os.environ.get("SLURM_LOCALID") or 0)


def keep_freed_memory() -> None:
    """Lets glibc keep what torch frees, for the next layer's activations: the same answers, sooner.

    By default it gives large blocks back to the kernel at once, which then clears every page of the next
    one: a tenth (DeiT-S, ResNet-34) to a third (PoolFormer-S24) of a forward pass on two cores. Other C
    libraries have no `mallopt`, and stay as they are.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is None:
        return
    if not mallopt(_M_MMAP_THRESHOLD, 2**30):
        mallopt(_M_MMAP_THRESHOLD, 2**25)  # the most that some versions take
    mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def available_devices() -> list[str]:
    """The devices of this machine, fastest first."""
    devices = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    return [name for name, present in devices.items() if present]


def default_workers(device: str) -> int:
    """Loader processes: on a CPU one reads ahead, on an accelerator decoding is the bottleneck.

    The processes that torchrun starts on a machine see all its cores, and share them.
    """
    cores = count_cores() // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return 1 if device == "cpu" else max(1, min(cores - 1, 16))


def count_cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe_environment() -> dict[str, str]:
    """Versions of what can move a prediction, JPEG decoder and Python included."""
    jpeg = "libjpeg_turbo" if features.check_feature("libjpeg_turbo") else "jpg"
    decoder = features.version(jpeg) or "unknown"
    return {
        **{package: version(package) for package in PACKAGES},
        "jpeg": f"{jpeg} {decoder}",
        "python": platform.python_version(),
        "platform": _describe_platform(),
    }


def _describe_platform() -> str:
    """System, machine and C library. Without Linux's release, on which no prediction depends."""
    if sys.platform != "linux":
        return platform.platform(terse=True)
    return "-".join((platform.system(), platform.machine(), *platform.libc_ver()))


def describe_code() -> dict[str, str | bool]:
    """The version of repro; in a checkout also its commit, and whether files differ from it."""
    code: dict[str, str | bool] = {"version": version("repro")}
    checkout = Path(repro.__file__).parents[1]
    if not (checkout / ".git").exists():
        return code
    try:
        code["revision"] = _git(checkout, "rev-parse", "HEAD")
        code["dirty"] = bool(_git(checkout, "status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.SubprocessError):
        pass  # no git here, or no commit yet: the version alone must do
    return code


def _git(checkout: Path, *arguments: str) -> str:
    answer = subprocess.run(["git", "-C", checkout, *arguments], capture_output=True, text=True, check=True)
    return answer.stdout.strip()
