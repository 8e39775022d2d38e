"""Weights are pinned on first use: a branch that moves changes nothing unnoticed."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from filelock import FileLock

from repro.exceptions import StorageError
from repro.results.weights_lock import Pin, WeightsLock
from tests.hub import LoopbackHub

FIRST, SECOND = (safetensors.numpy.save({"weight": np.full(1000, value, np.float32)}) for value in (1, 2))
LOCATION = "timm/toy/model.safetensors"

LOCATE = """
import json, sys
from dataclasses import asdict
from pathlib import Path
from repro.evaluation.weights import locate_weights
from repro.exceptions import ReproError
from repro.results.weights_lock import WeightsLock
from repro.specs import HubWeights, ModelSpec
spec = ModelSpec("toy", "pooling", weights=HubWeights("timm/toy"))
try:
    print(json.dumps(asdict(locate_weights(spec, lock=WeightsLock(Path(sys.argv[1]))).record)))
except ReproError as error:
    print(json.dumps({"exit": error.exit_code, "message": str(error)}))
"""


@pytest.fixture
def hub(tmp_path: Path) -> LoopbackHub:
    (tmp_path / "hub/timm/toy").mkdir(parents=True)
    (tmp_path / "hub/timm/toy/model.safetensors").write_bytes(FIRST)
    return LoopbackHub(tmp_path / "hub")


def locate(hub: LoopbackHub, home: Path, runs: Path) -> dict[str, str]:
    program = [sys.executable, "-c", LOCATE, str(runs)]
    return json.loads(
        subprocess.run(program, env=hub.environment(home), capture_output=True, check=True).stdout
    )


def test_a_moved_branch_is_not_followed(hub: LoopbackHub, tmp_path: Path) -> None:
    """Another machine with an empty cache and the same lock gets the weights that were used first."""
    with hub:
        commit = hub.commit("timm/toy")
        first = locate(hub, tmp_path / "a", tmp_path / "runs")
        hub.advance("timm/toy", {"model.safetensors": SECOND})
        again = locate(hub, tmp_path / "b", tmp_path / "runs")
        unpinned = locate(hub, tmp_path / "c", tmp_path / "others")
    assert first == again
    assert first["verified"] == "content hash of the hub, pinned on first use"
    assert (first["revision"], first["sha256"]) == (commit, sha256(FIRST).hexdigest())
    assert unpinned["sha256"] == sha256(SECOND).hexdigest()
    assert WeightsLock(tmp_path / "runs").find(LOCATION) == Pin(commit, sha256(FIRST).hexdigest())


def test_other_content_at_the_same_commit_is_refused(hub: LoopbackHub, tmp_path: Path) -> None:
    """Whoever rewrites history on the hub, or the lock, is told so."""
    with hub:
        WeightsLock(tmp_path).add(LOCATION, Pin(hub.commit("timm/toy"), "0" * 64))
        told = locate(hub, tmp_path / "a", tmp_path)
    assert told["exit"] == 3
    assert "weights of toy are not those first used" in told["message"]
    assert "0" * 64 in told["message"]


def test_the_first_pin_stays(tmp_path: Path) -> None:
    lock = WeightsLock(tmp_path)
    lock.add("a", Pin("1" * 40, "1" * 64))
    lock.add("b", Pin("2" * 40, "2" * 64))
    lock.add("a", Pin("3" * 40, "3" * 64))
    assert lock.find("a") == Pin("1" * 40, "1" * 64)
    assert lock.find("b") == Pin("2" * 40, "2" * 64)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": {"sha256": "0"}}', '{"a": 1}', "\udcff"])
def test_a_damaged_lock_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "weights.lock").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(StorageError, match=r"weights\.lock is damaged"):
        WeightsLock(tmp_path).find("a")


def test_of_two_first_uses_at_once_one_decides(tmp_path: Path) -> None:
    """The second has looked and found nothing while the first still writes."""
    lock, first = WeightsLock(tmp_path), Pin("a" * 40, "a" * 64)
    with ThreadPoolExecutor(1) as pool:
        with FileLock(tmp_path / ".weights.lock"):
            second = pool.submit(lock.add, LOCATION, Pin("b" * 40, "b" * 64))
            time.sleep(0.3)
            lock.path.write_text(json.dumps({LOCATION: asdict(first)}))
        assert second.exception(timeout=30) is None
    assert lock.find(LOCATION) == first
