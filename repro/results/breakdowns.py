"""Parameters and MACs by part and operator of a network, and where they are kept: `runs/complexity/`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from repro.results.atomic import write_atomically
from repro.results.complexities import versions_of_counters
from repro.results.sealed import seal, unseal
from repro.specs import ModelSpec


@dataclass(frozen=True, slots=True)
class OperatorCount:
    """What a counter saw of an operator in a part of a network.

    `macs` is None where it has no rule for the operator, `runs` (how often it ran) where it does not say.
    """

    part: str
    operator: str
    macs: int | None
    runs: int | None


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Params by part, in the order of the network, and by counter what it saw of each operator there."""

    timm_name: str
    size_px: int
    params: Mapping[str, int]
    operators: Mapping[str, tuple[OperatorCount, ...]]
    versions: Mapping[str, str]


def kept_breakdown(spec: ModelSpec, folder: Path) -> Breakdown | None:
    """What is kept in `folder`, unless a counter has since been installed or updated."""
    if spec.timm_name is None or not spec.protocols:
        return None
    try:
        path = _path(folder, spec.timm_name, spec.protocols["authors"].size_px)
        known = _breakdown(unseal(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # never counted, or damaged: counting again costs a second
    return known if known.versions == versions_of_counters() else None


def keep_breakdown(counted: Breakdown, folder: Path) -> None:
    """Writes it where `kept_breakdown` finds it.

    Raises:
        StorageError: the disk does not take it.
    """
    text = seal(asdict(counted), sort=False)  # the parts stand in the order of the network
    write_atomically(_path(folder, counted.timm_name, counted.size_px), text.encode())


def _breakdown(values: dict[str, Any]) -> Breakdown:
    operators = {
        counter: tuple(OperatorCount(**count) for count in counts)
        for counter, counts in values["operators"].items()
    }
    return Breakdown(**values | {"operators": operators})


def _path(folder: Path, timm_name: str, size_px: int) -> Path:
    return folder / "complexity" / f"{timm_name}-{size_px}-parts.json"
