"""A run's weights are those of its commit: nothing beside the run, and no branch, is asked."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from repro.catalogue.cache import hub_cache
from repro.evaluation.run_weights import locate_run_weights
from repro.evaluation.weights import locate_weights
from repro.exceptions import WeightsRefused
from repro.results.record import RunRecord
from repro.specs import HubWeights
from tests.analysis.records import run_of

OLD, NEW = "a" * 40, "b" * 40


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunRecord:
    """A run of the old commit; the cache has another, too, to which the branch has moved."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    run = run_of("poolformer_s12", 0)
    for commit in (OLD, NEW):
        _put(run, commit)
    branch = _repository(run) / "refs" / "main"
    branch.parent.mkdir()
    branch.write_text(NEW)
    weights = replace(run.model.weights, revision=OLD, sha256=_sha256(OLD))
    return replace(run, model=replace(run.model, weights=weights))


def _repository(run: RunRecord) -> Path:
    return hub_cache() / f"models--timm--{run.model.timm_name}"


def _put(run: RunRecord, commit: str) -> None:
    """The file as huggingface_hub keeps it: by its content, with a link from its commit."""
    blob = _repository(run) / "blobs" / _sha256(commit)
    link = _repository(run) / "snapshots" / commit / "model.safetensors"
    for path in (blob, link):
        path.parent.mkdir(parents=True, exist_ok=True)
    blob.write_text(commit)
    link.symlink_to(f"../../blobs/{blob.name}")


def _sha256(content: str) -> str:
    return sha256(content.encode()).hexdigest()


def test_a_branch_that_has_moved_is_not_followed(record: RunRecord) -> None:
    spec, located = locate_run_weights(record)
    assert (located.record.revision, located.record.sha256) == (OLD, _sha256(OLD))
    assert spec.name == record.model.name
    assert locate_weights(replace(spec, weights=HubWeights(spec.weights.repo_id))).record.revision == NEW


def test_other_content_than_the_runs_is_refused(record: RunRecord) -> None:
    weights = replace(record.model.weights, sha256="c" * 64)
    other = replace(record, model=replace(record.model, weights=weights))
    with pytest.raises(WeightsRefused, match=f"expected sha256 {'c' * 64}, got {_sha256(OLD)}"):
        locate_run_weights(other)
