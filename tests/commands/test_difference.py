"""`repro explain-difference`: what it prints, and what it says when there is nothing to explain."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from repro.commands import app
from repro.results.record import RunRecord
from repro.specs import Protocol
from tests.conftest import import_published
from tests.evaluation.test_sweep import HALF, RIGHT, request_for, run_with
from tests.oracle import NAME, SIZE_PX, paint_folders


def invoke(run: Path, *arguments: str | Path) -> Result:
    words = ["explain-difference", run, "--device", "cpu", *arguments]
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return paint_folders(tmp_path_factory.mktemp("photos"), range(3, 1000, 25))


@pytest.fixture(scope="module")
def right_run(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_with(request_for(tmp_path_factory.mktemp("right"), photos))


@pytest.fixture(scope="module")
def wrong_run(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    wrong = Protocol(SIZE_PX, RIGHT.crop, mean=HALF, std=HALF)
    return run_with(request_for(tmp_path_factory.mktemp("wrong"), photos), wrong)


def test_the_culprit_stands_first_and_the_next_command_tests_it(wrong_run: Path, photos: Path) -> None:
    result = invoke(wrong_run, "--reference", "100.0")
    assert result.exit_code == 0, result.output
    _, own, first = [line for line in result.stdout.splitlines() if " %)" in line or "--- " in line][:3]
    assert own.startswith("the run's own setting") and own.endswith("as stored")
    assert first.startswith("mean/std ImageNet") and first.endswith("would explain it")
    assert "autocast float16" in result.stdout and "not tried: most CPUs" in result.stdout
    last = result.stderr.splitlines()[-1]
    assert last.startswith(
        f"mean/std ImageNet would explain it; next: repro eval --models {NAME} --data {photos} --protocol"
    )


def test_a_candidate_that_no_protocol_names_is_tested_by_the_sweep_itself(
    photos: Path, tmp_path: Path
) -> None:
    run = run_with(request_for(tmp_path, photos), Protocol(SIZE_PX, 0.9, mean=HALF, std=HALF))
    result = invoke(run, "--reference", "100.0", "--limit", "30", "--only", "mean/std ImageNet")
    assert "On 30 of 40 images of the run, evenly from all classes, seed 0." in result.stdout
    assert result.stderr.splitlines()[-1] == (
        "best candidate: mean/std ImageNet (would explain it); next: "
        f"repro explain-difference {run} --reference 100.0 --only 'mean/std ImageNet' --limit 40"
    )
    whole = invoke(run, "--reference", "100.0", "--limit", "40", "--only", "mean/std ImageNet")
    assert whole.stderr.splitlines()[-1] == (
        "mean/std ImageNet would explain it, on all 40 images of the run"
    )


def test_what_nothing_tried_explains_is_looked_for_elsewhere(right_run: Path, photos: Path) -> None:
    result = invoke(right_run, "--reference", "50.0", "--only", "crop 0.9")
    assert "cannot: effect at most 4.67 points" in result.stdout
    what, where = result.stderr.splitlines()[-1].split("; next: ")
    assert what == (
        "nothing tried explains it; what is left: the weights (local, not pinned), the labels and the images"
    )
    assert where == f"repro doctor {photos}"


def test_a_run_that_matches_says_so_and_is_left_alone(right_run: Path) -> None:
    kept = set(right_run.glob("difference/*"))
    result = invoke(right_run, "--reference", "100.0")
    assert result.exit_code == 0
    (line,) = result.stdout.splitlines()
    assert line.endswith("100.00 % on 40 images is SAME as 100.0 (as given): nothing to explain")
    assert set(right_run.glob("difference/*")) == kept
    anyway = invoke(right_run, "--reference", "100.0", "--anyway", "--only", "channels BGR")
    assert "moves Top-1" in anyway.stdout


def test_that_nothing_is_to_be_explained_is_said_in_the_form_asked_for(right_run: Path) -> None:
    said = "100.00 % on 40 images is SAME as 100.0 (as given): nothing to explain"
    found = json.loads(invoke(right_run, "--reference", "100.0", "--format", "json").stdout)
    assert found["statement"].endswith(said)
    assert (found["gap"], found["variations"]) == (None, [])
    assert found["reference"] == {"top1_pct": 100.0, "source": "as given"}
    table = invoke(right_run, "--reference", "100.0", "--format", "csv")
    (header,) = csv.reader(table.stdout.splitlines())
    assert (header[0], header[-1]) == ("Variation", "Verdict")
    assert said in table.stderr
    for form in ("markdown", "latex", "html"):
        told = invoke(right_run, "--reference", "100.0", "--format", form)
        assert told.exit_code == 0, told.output
        assert "Variation" in told.stdout and said in told.stderr


def test_without_a_reference_there_are_effects_without_a_gap(right_run: Path) -> None:
    arguments = ("--only", "channels BGR", "--only", "crop 0.9", "--format", "json")
    found = json.loads(invoke(right_run, *arguments).stdout)
    assert found["gap"] is None
    bgr, crop = found["variations"]
    assert (bgr["name"], bgr["verdict"], bgr["n_lost"]) == ("channels BGR", "moves Top-1", 40)
    assert (crop["name"], crop["verdict"], crop["n_changed"]) == ("crop 0.9", "no effect seen", 0)
    assert "Top-1 100.00 % on 40 images; no reference" in found["statement"]


def test_a_repeated_command_answers_from_what_is_kept(right_run: Path, photos: Path) -> None:
    """Even where the images are gone; damaged, it is refused."""
    arguments = ("--only", "channels BGR", "--format", "csv")
    first = invoke(right_run, *arguments)
    copy = right_run.parent / "copy"
    shutil.copytree(right_run, copy)
    elsewhere = photos.rename(photos.with_name("away"))
    try:
        assert invoke(copy, *arguments).stdout == first.stdout
        gone = invoke(copy, "--only", "crop 0.95")
        assert gone.exit_code == 3
        assert "the run's images are no longer at" in gone.stderr and "--data" in gone.stderr
        assert invoke(copy, "--only", "crop 0.95", "--data", elsewhere).exit_code == 0
    finally:
        elsewhere.rename(photos)
    for rows in copy.glob("difference/*/top1.parquet"):
        rows.write_bytes(rows.read_bytes()[:-9])
    damaged = invoke(copy, *arguments)
    assert damaged.exit_code == 74
    assert "sweep damaged" in damaged.stderr


def test_images_in_object_storage_are_asked_for_by_whom_names_them(right_run: Path) -> None:
    copy = right_run.parent / "remote"
    shutil.copytree(right_run, copy)
    path = copy / "run.json"
    record = RunRecord.from_json(path.read_text(), path)
    path.write_text(replace(record, dataset=replace(record.dataset, root="s3://bucket/imagenet")).to_json())
    arguments = ("--only", "crop 0.95")
    without = invoke(copy, *arguments)
    assert without.exit_code == 2
    assert "s3://bucket/imagenet is not asked for images unless you name it" in without.stderr
    named = invoke(copy, *arguments, "--data", "ftp://bucket/imagenet")
    assert "ftp:// is no kind of address that is read" in named.stderr


def test_imported_predictions_are_refused_as_such(tmp_path: Path) -> None:
    """Not since no model here is called as theirs."""
    (tmp_path / "labels.csv").write_text("name,label\na.jpg,0\n")
    (tmp_path / "theirs.csv").write_text("file_name,predicted_class\na.jpg,1\n")
    import_published(tmp_path / "theirs.csv", "Their Net", tmp_path / "runs", tmp_path / "labels.csv")
    (run,) = (tmp_path / "runs").glob("*/run.json")
    refused = invoke(run.parent)
    assert refused.exit_code == 2
    assert "was imported: there are no weights" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--only", "crop 0.91"], "unknown variation 'crop 0.91'; did you mean 'crop 0.9"),
        (["--reference", "80,3"], "--reference '80,3' is no percentage"),
        (["--reference", "803"], "--reference '803' is no percentage"),
    ],
)
def test_what_cannot_be_meant_is_told(arguments: list[str], words: str, right_run: Path) -> None:
    result = invoke(right_run, *arguments)
    assert result.exit_code == 2
    assert words in result.stderr
