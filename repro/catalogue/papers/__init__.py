"""One TOML file a source: what it is, its tables as printed, its claims, its models where it has its own."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def load_papers() -> Mapping[str, Mapping[str, Any]]:
    """The content of every file, by its name."""
    found = sorted((f for f in files(__name__).iterdir() if f.name.endswith(".toml")), key=lambda f: f.name)
    return {f.name: tomllib.loads(f.read_text(encoding="utf-8")) for f in found}
