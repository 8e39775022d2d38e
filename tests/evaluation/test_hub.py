from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from repro.evaluation.weights import locate_weights
from repro.exceptions import WeightsRefused
from repro.specs import HubWeights, ModelSpec
from tests.hub import MODES, LoopbackHub

CONTENT = safetensors.numpy.save({"weight": np.arange(50_000, dtype=np.float32)})
SHA256 = sha256(CONTENT).hexdigest()

# huggingface_hub reads its environment when it is imported: each environment is a process.
LOCATE = """
import json, sys
from dataclasses import asdict
from repro.evaluation.weights import locate_weights
from repro.exceptions import ReproError
from repro.specs import HubWeights, ModelSpec
for name in sys.argv[1:]:
    try:
        located = locate_weights(ModelSpec(name, "pooling", weights=HubWeights("timm/" + name)))
        outcome = {"path": str(located.path), **asdict(located.record)}
    except ReproError as error:
        outcome = {"error": type(error).__name__, "exit": error.exit_code}
        outcome |= {"message": str(error), "hint": error.hint}
    print(json.dumps(outcome))
assert not {"torch", "timm"} & sys.modules.keys()
"""

Outcomes = dict[str, dict[str, Any]]


@dataclass
class Session:
    """A loopback hub with a repository of each mode, and the cache of the children that ask it."""

    hub: LoopbackHub
    home: Path

    def locate(self, *names: str, **environment: str) -> list[dict[str, Any]]:
        child = subprocess.run(
            [sys.executable, "-c", LOCATE, *names],
            env=self.hub.environment(self.home) | environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        return [json.loads(line) for line in child.stdout.splitlines()]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    folder = tmp_path_factory.mktemp("hub")
    for mode in MODES:
        path = folder / "timm" / mode / "model.safetensors"
        path.parent.mkdir(parents=True)
        path.write_bytes(CONTENT)
    pickled = folder / "timm" / "only-pickle" / "pytorch_model.bin"
    pickled.parent.mkdir()
    pickled.write_bytes(b"never asked for")
    with LoopbackHub(folder, {f"timm/{mode}": mode for mode in MODES}) as hub:
        yield Session(hub, tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def outcomes(session: Session) -> Outcomes:
    """What a child was told of a model of each mode, with a token at hand."""
    names = [*(mode for mode in MODES if mode != "stall"), "only-pickle", "missing"]
    outcomes = session.locate(*names, HF_TOKEN="hf_secret")
    # A second is long enough for what never answers, and too short for a busy machine that does.
    stalled = session.locate("stall", HF_TOKEN="hf_secret", HF_HUB_ETAG_TIMEOUT="1")
    return dict(zip([*names, "stall"], outcomes + stalled, strict=True))


@pytest.mark.parametrize("name", ["ok", "drop"])
def test_a_download_is_recorded(name: str, session: Session, outcomes: Outcomes) -> None:
    commit = session.hub.commit(f"timm/{name}")
    path = session.home / f"hub/models--timm--{name}/snapshots/{commit}/model.safetensors"
    assert outcomes[name] == {
        "path": str(path),
        "origin": "hub",
        "location": f"timm/{name}/model.safetensors",
        "revision": commit,
        "sha256": SHA256,
        "verified": "content hash of the hub",
    }
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("truncated", "WeightsRefused", "the hub sends something else"),
        ("html", "WeightsRefused", "but has size 27"),
        ("portal", "WeightsRefused", "does not answer like a hub"),
        ("only-pickle", "WeightsRefused", "has no model.safetensors; only safetensors are loaded"),
        ("missing", "WeightsRefused", "the hub has no public repository timm/missing (HTTP 401)"),
        ("drop-always", "Unavailable", "the hub cannot be reached (http://127.0.0.1:"),
        ("stall", "Unavailable", "the hub cannot be reached (http://127.0.0.1:"),
        ("429", "Unavailable", "HTTP 429; it asks to wait 86400 s"),
        ("429-later", "Unavailable", "HTTP 429; it asks to wait 86400 s"),
        ("503", "Unavailable", "HTTP 503"),
    ],
)
def test_every_failure_is_one_line(name: str, error: str, words: str, outcomes: Outcomes) -> None:
    outcome = outcomes[name]
    assert (outcome["error"], outcome["exit"]) == (error, 69 if error == "Unavailable" else 3)
    assert words in outcome["message"]
    assert "\n" not in outcome["message"]
    later = f"repro fetch {name}  # where the hub can be reached"
    assert outcome["hint"] == {"Unavailable": later, "WeightsRefused": ""}[error]


def test_a_damaged_download_is_refused(outcomes: Outcomes) -> None:
    outcome = outcomes["flip"]
    assert (outcome["error"], outcome["exit"]) == ("WeightsRefused", 3)
    assert f"weights damaged: expected sha256 {SHA256}, got " in outcome["message"]
    assert outcome["hint"] == "repro fetch flip"


def test_what_fails_is_asked_once(session: Session, outcomes: Outcomes) -> None:
    for name in ("portal", "429", "503", "stall", "only-pickle", "missing"):
        assert session.hub.count("HEAD", f"timm/{name}") == 1
        assert session.hub.count("GET", f"timm/{name}") == 0


def test_only_public_safetensors_are_asked_for(session: Session, outcomes: Outcomes) -> None:
    for request in session.hub.requests:
        assert re.fullmatch(r"/timm/[^/]+/resolve/[^/]+/model\.safetensors", request.path)
        assert "hf_secret" not in str(request.headers)


def test_no_half_file_stays(session: Session, outcomes: Outcomes) -> None:
    assert not list(session.home.rglob("*.incomplete"))


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE forbids to ask the hub"),
        ({"HF_ENDPOINT": "http://127.0.0.1:1"}, "the hub cannot be reached (http://127.0.0.1:1: "),
    ],
)
def test_without_a_network(
    environment: dict[str, str], words: str, session: Session, outcomes: Outcomes
) -> None:
    before = len(session.hub.requests)
    cached, missing = session.locate("ok", "missing", **environment)
    assert cached == outcomes["ok"]
    assert missing["exit"] == 69
    assert missing["message"].startswith(
        f"weights of missing are not in the cache ({session.home}/hub), and {words}"
    )
    assert missing["hint"] == "repro fetch missing  # where the hub can be reached"
    assert len(session.hub.requests) == before


def test_a_cache_that_cannot_be_written(session: Session, tmp_path: Path) -> None:
    occupied = tmp_path / "home"
    occupied.touch()
    [outcome] = replace(session, home=occupied).locate("ok")
    assert (outcome["error"], outcome["exit"]) == ("StorageError", 74)
    assert f"the cache cannot be written ([Errno 20] Not a directory: '{occupied}" in outcome["message"]


def test_a_cache_without_links_is_verified_with_the_hub(session: Session, tmp_path: Path) -> None:
    here = replace(session, home=tmp_path)
    before = session.hub.count("HEAD", "timm/ok")
    fetched, cached = here.locate("ok", "ok", HF_HUB_DISABLE_SYMLINKS="1")
    assert fetched == cached
    assert fetched["sha256"] == SHA256
    assert session.hub.count("HEAD", "timm/ok") == before + 4  # two to fetch, then each time one for the hash
    [down] = here.locate("ok", HF_ENDPOINT="http://127.0.0.1:1")
    assert down["exit"] == 69
    assert "are in a cache that does not tell their hash" in down["message"]


def test_after_deleting_what_is_damaged_a_fetch_mends(session: Session, outcomes: Outcomes) -> None:
    Path(outcomes["flip"]["message"].partition("delete ")[2].partition(" and fetch again")[0]).unlink()
    session.hub.modes["timm/flip"] = "ok"
    [mended] = session.locate("flip")
    assert mended["sha256"] == SHA256


@pytest.fixture
def cached_ok(
    session: Session, outcomes: Outcomes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ModelSpec:
    """A model in a cache of its own, filled by huggingface_hub itself."""
    shutil.copytree(session.home, tmp_path / "home", symlinks=True)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "home" / "hub"))
    return ModelSpec("ok", "pooling", weights=HubWeights("timm/ok"))


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1000])


@pytest.mark.parametrize("damage", [flip, truncate])
def test_a_damaged_cache_is_refused(damage: Any, cached_ok: ModelSpec) -> None:
    blob = locate_weights(cached_ok).path.resolve()
    damage(blob)
    with pytest.raises(
        WeightsRefused, match=f"expected sha256 {SHA256}, got .*; delete {blob} and fetch again"
    ) as caught:
        locate_weights(cached_ok)
    assert caught.value.hint == "repro fetch ok"


def test_a_shared_blob_is_known_by_the_first_link(cached_ok: ModelSpec, tmp_path: Path) -> None:
    blob = locate_weights(cached_ok).path.resolve()
    elsewhere = blob.rename(tmp_path / ("f" * 64))
    blob.symlink_to(elsewhere)
    assert locate_weights(cached_ok).record.sha256 == SHA256
