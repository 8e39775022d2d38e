"""Nothing of an earlier run is taken once anything has changed that could move a prediction."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch

from repro.evaluation import checkpoints
from repro.evaluation.evaluate import evaluate
from repro.evaluation.fingerprint import fingerprint
from repro.evaluation.plan import Plan, Request, plan_evaluation
from repro.results.predictions import SCHEMA
from repro.results.record import Numerics
from repro.specs import ModelSpec, Protocol, digest
from tests.evaluation.test_evaluate import Watcher
from tests.oracle import NAME, Oracle, paint, save_weights

NUMERICS = Numerics("cpu", "x86_64", "float32", False, 2, 16)
IDENTITY: dict[str, Any] = {
    "model": "toy",
    "weights_sha256": "0" * 64,
    "protocol": Protocol(size_px=224, crop=0.875),
    "listing": "0" * 64,
    "numerics": NUMERICS,
    "environment": {"torch": "2.10"},
}
OTHER: dict[str, Any] = {
    "model": "toy2",
    "weights_sha256": "1" * 64,
    "protocol": Protocol(size_px=224, crop=0.9),
    "listing": "1" * 64,
    "environment": {"torch": "2.11"},
}
OTHER_NUMERICS: dict[str, Any] = {
    "device": "cuda",
    "device_name": "H200",
    "dtype": "bfloat16",
    "tf32": True,
    "threads": 1,
    "batch_size": 8,
}

BASE = fingerprint(**IDENTITY)


@pytest.mark.parametrize("name", OTHER)
def test_whatever_decides_a_run_is_in_its_fingerprint(name: str) -> None:
    assert fingerprint(**IDENTITY) == BASE
    assert fingerprint(**{**IDENTITY, name: OTHER[name]}) != BASE


@pytest.mark.parametrize("name", [field.name for field in fields(Numerics)])
def test_so_is_every_setting_of_the_numerics(name: str) -> None:
    changed = replace(NUMERICS, **{name: OTHER_NUMERICS[name]})
    assert fingerprint(**{**IDENTITY, "numerics": changed}) != BASE


def test_so_is_the_layout_of_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    from repro.evaluation import fingerprint as module

    monkeypatch.setattr(module, "SCHEMA", module.SCHEMA.remove(0))
    assert fingerprint(**IDENTITY) != BASE


def test_the_classes_are_in_it_only_where_they_are_restricted() -> None:
    """What was evaluated before there were test sets keeps its fingerprint."""
    as_ever = {
        "model": "toy",
        "weights": "0" * 64,
        "protocol": IDENTITY["protocol"].hash,
        "listing": "0" * 64,
        "numerics": asdict(NUMERICS),
        "environment": {"torch": "2.10"},
        "rows": SCHEMA.to_string(),
    }
    assert digest(as_ever) == BASE == fingerprint(**IDENTITY, classes=())
    restricted = {fingerprint(**IDENTITY, classes=classes) for classes in [(1, 2), (1, 3), (1, 2, 3)]}
    assert len(restricted | {BASE}) == 4


def other_weights(request: Request) -> Request:
    path = request.runs.parent / "other.safetensors"
    safetensors.torch.save_file(Oracle().state_dict(), path, metadata={"epoch": "2"})
    return replace(request, weights={NAME: path})


def other_labels(request: Request) -> Request:
    """The same files under another class."""
    assert request.labels is not None
    request.labels.write_text(request.labels.read_text().replace("image_8,8", "image_8,9"))
    return request


def fewer_images(request: Request) -> Request:
    return replace(request, limit=4)


def another_protocol(request: Request) -> Request:
    return replace(request, protocol_name="timm")


CHANGES = [other_weights, other_labels, fewer_images, another_protocol]


@pytest.fixture
def request_(tmp_path: Path) -> Request:
    """Six images in one folder, labelled by a file."""
    photos, labels = tmp_path / "photos", range(0, 48, 8)
    photos.mkdir()
    for label in labels:
        paint(label).save(photos / f"image_{label}.JPEG", quality=95)
    (tmp_path / "labels.csv").write_text("".join(f"image_{label},{label}\n" for label in labels))
    return Request(
        models=[NAME],
        runs=tmp_path / "runs",
        data=photos,
        labels=tmp_path / "labels.csv",
        weights={NAME: save_weights(tmp_path / "oracle.safetensors")},
        device="cpu",
        workers=0,
    )


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_evaluation_scores_every_image_anew(
    change: Callable[[Request], Request], request_: Request
) -> None:
    evaluate(planned(request_), Watcher())
    unchanged, changed = Watcher(), Watcher()
    evaluate(planned(request_), unchanged)
    assert unchanged.n_scored == 0
    plan = planned(change(request_))
    evaluate(plan, changed)
    assert changed.n_scored == len(plan.dataset.samples)
    used = [json.loads(path.read_text())["protocol"] for path in request_.runs.glob("*/run.json")]
    assert len(used) == 2
    assert {protocol["crop"] for protocol in used} == (
        {0.875, 0.9} if change is another_protocol else {0.875}
    )


def planned(request: Request) -> Plan:
    """The plan, for a model whose `timm` protocol differs from the authors' by its crop."""

    def resolved(spec: ModelSpec) -> ModelSpec:
        found = resolve(spec)
        own = found.protocols["authors"]
        return replace(found, protocols={"authors": own, "timm": replace(own, crop=0.9)})

    resolve = checkpoints.resolve_timm_spec
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoints, "resolve_timm_spec", resolved)
        return plan_evaluation(request)


def test_rows_of_another_environment_stay_where_they_are(
    request_: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after an upgrade of Pillow, halfway through."""
    from repro.evaluation import image_pass as module

    evaluate(plan_evaluation(request_), Watcher())
    there = module.describe_environment()
    monkeypatch.setattr(module, "describe_environment", lambda: {**there, "pillow": "11.3.0"})
    after = Watcher()
    (record,) = evaluate(plan_evaluation(request_), after)
    assert after.n_scored == 6
    assert record.environment["pillow"] == "11.3.0"
    assert len(list(request_.runs.glob("*/run.json"))) == 2
