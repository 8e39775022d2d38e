"""Whole evaluations, on painted images whose every prediction is known beforehand."""

from __future__ import annotations

import shutil
import time
from contextlib import AbstractContextManager
from dataclasses import fields, replace
from pathlib import Path

import pytest

from repro.datasets.class_folders import ClassFolders
from repro.evaluation.evaluate import evaluate
from repro.evaluation.plan import Request, plan_evaluation
from repro.exceptions import StorageError
from repro.results.record import RunRecord
from repro.results.store import RunFolder, read_rows
from repro.results.survey import survey
from repro.specs import Sample
from tests.oracle import NAME, paint_folders, save_weights


class Watcher:
    """Counts; stops the evaluation, as Ctrl-C does, once `stop_after` images are kept."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.stop_after = stop_after
        self.n_scored = self.n_kept = self.n_kept_before = 0
        self.damaged_paths: list[Path] = []

    def begin(self, total: int, kept: int) -> None:
        self.n_kept_before = kept

    def damaged(self, path: Path, reason: StorageError) -> None:
        self.damaged_paths.append(path)

    def scored(self, n: int) -> None:
        self.n_scored += n

    def keep(self, n: int) -> None:
        self.n_kept += n
        if self.stop_after is not None and self.n_kept >= self.stop_after:
            raise KeyboardInterrupt


@pytest.fixture
def request_(tmp_path: Path) -> Request:
    """Forty images of twenty classes in batches of four, so that a shard holds them all but for `limit`."""
    data = paint_folders(tmp_path / "photos", range(3, 1000, 50), per_class=2)
    weights = {NAME: save_weights(tmp_path / "oracle.safetensors")}
    return Request(
        models=[NAME],
        runs=tmp_path / "runs",
        data=data,
        weights=weights,
        device="cpu",
        batch_size=4,
        workers=0,
    )


def run(request: Request, watcher: Watcher | None = None) -> RunRecord:
    (record,) = evaluate(plan_evaluation(request), watcher or Watcher())
    return record


def rows_of(request: Request, record: RunRecord) -> list[dict[str, object]]:
    return read_rows(request.runs / record.run_id, record).to_pylist()


def test_a_right_pipeline_reads_every_class(request_: Request) -> None:
    record = run(request_)
    assert (record.summary.n, record.summary.top1_correct) == (40, 40)
    rows = rows_of(request_, record)
    assert all(row["top5"][0] == row["label"] and row["rank"] == 0 for row in rows)
    assert [row["image_id"] for row in rows] == sorted(row["image_id"] for row in rows)
    assert record.status == "complete"
    assert record.image_modes == {"RGB": 40}


@pytest.mark.parametrize("workers", [1, 2])
def test_loader_processes_change_nothing(request_: Request, workers: int) -> None:
    alone = rows_of(request_, run(request_))
    shutil.rmtree(request_.runs)
    assert rows_of(request_, run(replace(request_, workers=workers))) == alone


def test_a_missing_class_folder_moves_no_label(request_: Request) -> None:
    whole = {row["image_id"]: row for row in rows_of(request_, run(request_))}
    assert request_.data is not None
    for folder in sorted(request_.data.iterdir())[::5]:
        shutil.rmtree(folder)
        record = run(request_)
        rows = rows_of(request_, record)
        assert record.summary.top1_correct == record.summary.n == len(rows)
        assert all(whole[row["image_id"]] == row for row in rows)


def test_an_unreadable_image_makes_the_run_invalid_until_it_is_mended(request_: Request) -> None:
    assert request_.data is not None
    victim = sorted(request_.data.rglob("*.JPEG"))[7]
    whole = victim.read_bytes()
    victim.write_bytes(whole[:-50])

    record = run(request_)
    assert record.status == "invalid"
    assert record.summary.n_scored == 39
    assert victim.stem in record.summary.invalid
    (failed,) = [row for row in rows_of(request_, record) if row["status"] != "ok"]
    assert failed["image_id"] == victim.stem
    assert str(failed["status"]).startswith("unreadable: truncated")
    assert failed["top5"] is None
    # The shards that are kept beside it, to be mended, are no run under way.
    (told,) = survey(request_.runs).left_out.values()
    assert told.startswith("INVALID: ")

    accepted = run(replace(request_, allow_unreadable=True))
    assert accepted.status == "complete"
    assert (accepted.summary.n, accepted.summary.n_scored, accepted.summary.top1_correct) == (40, 39, 39)

    victim.write_bytes(whole)
    shutil.rmtree(request_.runs)
    assert run(request_).summary.top1_correct == 40


def test_a_file_that_vanishes_is_named_not_skipped(request_: Request) -> None:
    plan = plan_evaluation(request_)
    assert request_.data is not None
    sorted(request_.data.rglob("*.JPEG"))[0].unlink()
    (record,) = evaluate(plan, Watcher())
    assert record.status == "invalid"
    assert record.summary.n_scored == 39


def test_a_stopped_run_goes_on_and_ends_with_the_same_bytes(tmp_path: Path, request_: Request) -> None:
    """Shards of four images here; the resumed run has the batches of an unbroken one."""
    request = replace(request_, batch_size=256, data=paint_folders(tmp_path / "many", range(0, 1000, 2)))
    unbroken = run(request)
    whole = (request.runs / unbroken.run_id / "predictions.parquet").read_bytes()
    shutil.rmtree(request.runs)

    with pytest.raises(KeyboardInterrupt):
        run(request, Watcher(stop_after=1))
    assert not list(request.runs.glob("*/run.json"))
    resumed = Watcher()
    record = run(request, resumed)
    assert (resumed.n_kept_before, resumed.n_scored) == (256, 500 - 256)
    assert (request.runs / record.run_id / "predictions.parquet").read_bytes() == whole
    assert [p.name for p in (request.runs / record.run_id).iterdir() if not p.name.startswith(".")] == [
        p.name
        for p in (request.runs / record.run_id).iterdir()
        if p.name in ("predictions.parquet", "run.json")
    ]


def test_a_whole_run_is_not_repeated(request_: Request) -> None:
    first = run(request_)
    again = Watcher()
    assert run(request_, again) == first
    assert again.n_scored == 0


def test_a_run_another_process_has_just_finished_is_not_repeated(
    request_: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends between the question whether the run is whole and the lock."""
    first = run(request_)
    finished = (request_.runs / first.run_id).rename(tmp_path / "finished")
    locked = RunFolder.locked

    def locked_too_late(folder: RunFolder) -> AbstractContextManager[None]:
        shutil.copytree(finished, folder.path)
        return locked(folder)

    monkeypatch.setattr(RunFolder, "locked", locked_too_late)
    again = Watcher()
    assert run(request_, again) == first
    assert again.n_scored == 0


def test_other_images_other_protocol_other_run(request_: Request) -> None:
    base = run(request_).fingerprint
    assert run(replace(request_, limit=20)).fingerprint != base
    assert run(replace(request_, batch_size=8)).fingerprint != base
    assert len(list(request_.runs.glob("*/run.json"))) == 3


def test_the_record_says_what_decided_the_numbers(request_: Request) -> None:
    record = run(request_)
    assert record.model.weights.origin == "file"
    assert record.dataset.kind == "class folders"
    assert record.dataset.n_classes == 20
    assert record.numerics.dtype == "float32"
    assert record.environment["torch"]
    assert record.protocol.size_px == 48
    assert RunRecord.from_json(record.to_json(), Path("run.json")) == record


def test_the_record_says_how_long_the_networks_waited_for_images(request_: Request) -> None:
    """Images that take long to read are waited for; what is read meanwhile is not."""

    class Slow(ClassFolders):
        def read(self, sample: Sample) -> bytes:
            time.sleep(0.02)
            return super().read(sample)

    plan = plan_evaluation(request_)
    values = {field.name: getattr(plan.dataset, field.name) for field in fields(plan.dataset)}
    (record,) = evaluate(replace(plan, dataset=Slow(**values)), Watcher())
    assert 40 * 0.02 <= record.waited_seconds <= record.seconds
