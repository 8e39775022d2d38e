"""One bit of the weights flipped: in the hub's cache, in a package, and between the check and the loading."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from repro.catalogue.cache import packaged_weights
from repro.catalogue.models import find_model
from repro.evaluation.weights import load_tensors, locate_weights
from repro.exceptions import WeightsRefused
from repro.specs import HubWeights, ModelSpec, PackageWeights
from tests.hub import LoopbackHub, save_test_resnet

REPO_ID = "timm/test_resnet.r160_in1k"

# huggingface_hub reads its environment when it is imported, hence a process of its own.
FETCH = f"""
from repro.evaluation.weights import locate_weights
from repro.specs import HubWeights, ModelSpec
locate_weights(ModelSpec("toy", "convolution", weights=HubWeights({REPO_ID!r})))
"""


def check(n: int) -> dict[str, int]:
    """Flips `n` bits in each of the three places; `found` counts the refusals that say so."""
    with tempfile.TemporaryDirectory() as folder:
        cached = _cached_weights(Path(folder))
        packaged = _packaged_weights(Path(folder))
        environment = {"HF_HUB_CACHE": str(Path(folder) / "home" / "hub")}
        with patch.dict(os.environ, environment), patch.object(sys, "path", [*sys.path, folder]):
            located = locate_weights(cached)
            found = (
                _count_refusals(located.path.resolve(), n, lambda: locate_weights(cached)),
                _count_refusals(locate_weights(packaged).path, n, lambda: locate_weights(packaged)),
                _count_refusals(located.path.resolve(), n, lambda: load_tensors(located)),
            )
            # Mended, all is taken again: what was refused was the damage.
            load_tensors(locate_weights(cached))
            load_tensors(locate_weights(packaged))
    return {"flips": len(found) * n, "found": sum(found)}


def _cached_weights(folder: Path) -> ModelSpec:
    """A model whose weights huggingface_hub itself has put into a cache of their own."""
    save_test_resnet(folder / "hub" / REPO_ID / "model.safetensors")
    with LoopbackHub(folder / "hub") as hub:
        environment = hub.environment(folder / "home")
        subprocess.run([sys.executable, "-c", FETCH], env=environment, check=True, capture_output=True)
    return ModelSpec("toy", "convolution", weights=HubWeights(REPO_ID))


def _packaged_weights(folder: Path) -> ModelSpec:
    """A real model, its weights in a copy of their package, with the catalogue's own pin."""
    real = find_model("efficientnet_lite0").weights
    assert isinstance(real, PackageWeights)
    path = packaged_weights(real)
    assert path is not None, f"{real.package} is not installed"
    copy = folder / "a_copy_of_weights" / path.name
    copy.parent.mkdir()
    shutil.copy2(path, copy)
    return ModelSpec("toy", "convolution", weights=PackageWeights(copy.parent.name, copy.name, real.sha256))


def _count_refusals(path: Path, n: int, take: Callable[[], object]) -> int:
    refused = 0
    for bit in random.Random(0).sample(range(8 * path.stat().st_size), n):
        with _flipped(path, bit):
            try:
                take()
            except WeightsRefused as error:
                refused += "weights damaged: expected sha256" in str(error)
    return refused


@contextmanager
def _flipped(path: Path, bit: int) -> Iterator[None]:
    """Flips a bit in place, and back again."""
    _flip(path, bit)
    try:
        yield
    finally:
        _flip(path, bit)


def _flip(path: Path, bit: int) -> None:
    with path.open("r+b") as file:
        file.seek(bit // 8)
        byte = file.read(1)[0]
        file.seek(bit // 8)
        file.write(bytes([byte ^ 1 << bit % 8]))
