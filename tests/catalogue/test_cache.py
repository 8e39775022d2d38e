from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from repro.catalogue.cache import cached_weights, hub_cache, packaged_weights, where_weights
from repro.catalogue.models import find_model
from repro.specs import HubWeights, ModelSpec, PackageWeights

ENVIRONMENTS = [
    {},
    {"XDG_CACHE_HOME": "/x"},
    {"XDG_CACHE_HOME": "~/x"},
    {"HF_HOME": "~/hf", "XDG_CACHE_HOME": "/x"},
    {"HF_HOME": "$SCRATCH/hf"},
    {"HUGGINGFACE_HUB_CACHE": "/legacy", "HF_HOME": "/hf"},
    {"HF_HUB_CACHE": "/cache", "HUGGINGFACE_HUB_CACHE": "/legacy", "HF_HOME": "/hf"},
    {"HF_HUB_CACHE": "~/cache/$SCRATCH"},
]

BOTH_ANSWERS = """
import importlib, json, os, sys
from pathlib import Path
from huggingface_hub import constants
from repro.catalogue.cache import hub_cache
answers = []
for environment in json.load(sys.stdin):
    os.environ.update(environment)
    importlib.reload(constants)
    answers.append([str(Path(constants.HF_HUB_CACHE)), str(hub_cache())])
    for name in environment:
        del os.environ[name]
print(json.dumps(answers))
"""

IMPORTED = """
import sys
before = set(sys.modules)
import repro.catalogue.cache
roots = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*sorted(roots - sys.stdlib_module_names))
"""

WEIGHTS = HubWeights("timm/toy")


def python(code: str, stdin: str = "") -> str:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "XDG_", "HUGGINGFACE"))}
    child = subprocess.run(
        [sys.executable, "-c", code],
        input=stdin,
        env=clean | {"SCRATCH": "/scratch"},
        capture_output=True,
        text=True,
        check=True,
    )
    return child.stdout


def test_the_cache_is_where_huggingface_hub_has_it() -> None:
    answers = json.loads(python(BOTH_ANSWERS, json.dumps(ENVIRONMENTS)))
    assert len(answers) == len(ENVIRONMENTS)
    for theirs, ours in answers:
        assert ours == theirs


def test_needs_the_standard_library_alone() -> None:
    assert python(IMPORTED).split() == ["repro"]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    assert hub_cache() == tmp_path
    return tmp_path / "models--timm--toy"


def put_snapshot(repository: Path, commit: str) -> Path:
    blob = repository / "blobs" / ("0" * 64)
    link = repository / "snapshots" / commit / WEIGHTS.filename
    for path in (blob, link):
        path.parent.mkdir(parents=True, exist_ok=True)
    blob.touch()
    link.symlink_to(f"../../blobs/{blob.name}")
    return link


def test_main_comes_first_then_any_commit(repository: Path) -> None:
    assert cached_weights(WEIGHTS) is None
    other, main = put_snapshot(repository, "a" * 40), put_snapshot(repository, "b" * 40)
    assert cached_weights(WEIGHTS) == other
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("b" * 40)
    assert cached_weights(WEIGHTS) == main
    main.unlink()
    assert cached_weights(WEIGHTS) == other


def test_a_link_to_nothing_is_not_cached(repository: Path) -> None:
    link = put_snapshot(repository, "a" * 40)
    link.resolve().unlink()
    assert cached_weights(WEIGHTS) is None


def test_a_package_is_found_without_importing_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = PackageWeights("toy_package_of_weights", "models/toy.pth", "0" * 64)
    assert packaged_weights(weights) is None
    package = tmp_path / weights.package
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    assert packaged_weights(weights) is None
    (package / weights.path).touch()
    assert packaged_weights(weights) == package / weights.path


def test_where_weights_are(repository: Path) -> None:
    toy = ModelSpec("toy", "pooling", weights=WEIGHTS)
    assert where_weights(toy) == "hub"
    put_snapshot(repository, "a" * 40)
    assert where_weights(toy) == "cached"
    assert where_weights(find_model("efficientnet_lite0")) == "package"
    missing = ModelSpec("missing", "pooling", weights=PackageWeights("no_such_package", "w.pth", "0" * 64))
    assert where_weights(missing) == "package (not installed)"
    assert where_weights(find_model("pvt_tiny")) == "not in timm"
