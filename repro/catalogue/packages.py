"""Where installed packages keep their data: found without importing them."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path


def package_folder(name: str) -> Path | None:
    """The folder of the installed package `name`, or None where it is not installed."""
    spec = find_spec(name)
    return next(map(Path, spec.submodule_search_locations or ()), None) if spec else None
