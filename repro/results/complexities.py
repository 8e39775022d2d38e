"""Counted parameters and MACs on disk, so that no network is counted twice: `runs/complexity/`."""

from __future__ import annotations

from dataclasses import asdict
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from repro.results.atomic import write_atomically
from repro.results.record import Complexity, complexity_from
from repro.results.sealed import seal, unseal
from repro.specs import ModelSpec


def kept_complexity(spec: ModelSpec, folder: Path) -> Complexity | None:
    """The counts kept in `folder`, unless a counter has since been installed or updated."""
    if spec.timm_name is None or not spec.protocols:
        return None
    path = _path(folder, spec.timm_name, spec.protocols["authors"].size_px)
    try:
        known = complexity_from(unseal(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # never counted, or damaged: counting again costs a second
    counted_by = {name: count.version for name, count in known.macs.items()}
    return known if counted_by == versions_of_counters() else None


def keep_complexity(counted: Complexity, folder: Path) -> None:
    """Writes the counts where `kept_complexity` finds them.

    Raises:
        StorageError: the disk does not take them.
    """
    write_atomically(_path(folder, counted.timm_name, counted.size_px), seal(asdict(counted)).encode())


def versions_of_counters() -> dict[str, str]:
    """The versions of the counters that are installed, by name."""
    counters = ["torch", "fvcore"] if find_spec("fvcore") else ["torch"]
    return {name: version_of_counter(name) for name in counters}


def version_of_counter(name: str) -> str:
    """The version of what can move a count: the counter, and timm, which defines the network."""
    return f"{name} {version(name)}, timm {version('timm')}"


def _path(folder: Path, timm_name: str, size_px: int) -> Path:
    return folder / "complexity" / f"{timm_name}-{size_px}.json"
