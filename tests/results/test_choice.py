"""Which runs are taken together: those of the same images, byte for byte where bytes are known."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from repro.commands import app
from repro.exceptions import UsageError
from repro.results.choice import choose_runs
from repro.results.runs import find_run, list_runs
from tests.commands.studied_runs import photograph, write_run

FIRST, SECOND, THIRD = (f"2026-08-0{day}T12:00:00+00:00" for day in (1, 2, 3))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    photograph(tmp_path / "photos")
    return tmp_path / "photos"


@pytest.fixture
def encoded_anew(tmp_path: Path) -> Path:
    """The same photographs under the same names, one of them of other bytes."""
    photograph(tmp_path / "copy")
    (plain,) = (tmp_path / "copy").glob("*/plain.JPEG")
    Image.open(plain).save(plain, quality=60)
    return tmp_path / "copy"


def test_runs_of_other_bytes_by_the_same_names_are_left_out(
    tmp_path: Path, photos: Path, encoded_anew: Path
) -> None:
    runs = tmp_path / "runs"
    older = write_run(runs, photos, "older", [True] * 6, started=FIRST)
    newer = write_run(runs, encoded_anew, "newer", [True] * 6, started=SECOND)
    choice = choose_runs(runs, [], None)
    assert list(choice.records) == list(choice.rows) == [newer.run_id]
    why = f"1 of 6 have other bytes than in {newer.run_id} (plain, …)"
    assert choice.left_out == {older.run_id: f"of other images by the same names: {why}"}
    with pytest.raises(UsageError, match="runs of different images by the same names: in run-"):
        choose_runs(runs, [older.run_id, newer.run_id], None)


def test_imported_runs_have_no_bytes_to_differ_by(tmp_path: Path, photos: Path, encoded_anew: Path) -> None:
    """The newest run says which images are meant, but where it was imported not of which bytes."""
    runs = tmp_path / "runs"
    other = write_run(runs, photos, "other", [True] * 6, started=FIRST)
    made_here = write_run(runs, encoded_anew, "made here", [True] * 6, started=SECOND)
    imported = write_run(runs, photos, "imported", [True] * 6, started=THIRD, imported=True)
    choice = choose_runs(runs, [], None)
    assert list(choice.records) == [made_here.run_id, imported.run_id]
    assert list(choice.left_out) == [other.run_id]
    named = [imported.run_id, other.run_id]
    assert list(choose_runs(runs, named, None).records) == named


def test_an_image_that_could_not_be_read_is_no_other_image(tmp_path: Path, photos: Path) -> None:
    runs = tmp_path / "runs"
    write_run(runs, photos, "whole", [True] * 6, started=FIRST)
    write_run(runs, photos, "failed", [True] * 6, started=SECOND, unread=["plain"])
    assert len(choose_runs(runs, [], None).records) == 2


def test_runs_among_other_classes_are_left_out(tmp_path: Path, photos: Path) -> None:
    """A run among the 200 classes of ImageNet-A is right where one among all 1000 may err."""
    runs = tmp_path / "runs"
    among_its_own = write_run(runs, photos, "own", [True] * 6, started=FIRST, test_set="imagenet-a")
    among_all = write_run(runs, photos, "all", [True] * 6, started=SECOND)
    imported = write_run(runs, photos, "imported", [True] * 6, started=THIRD, imported=True)
    choice = choose_runs(runs, [], None)
    assert list(choice.records) == list(choice.rows) == [among_all.run_id, imported.run_id]
    assert choice.left_out == {among_its_own.run_id: "answered among other classes"}
    told = f"{among_its_own.run_id} answered among 200, {among_all.run_id} among 1,000"
    with pytest.raises(UsageError, match=told):
        choose_runs(runs, [among_its_own.run_id, among_all.run_id], None)
    compared = ["compare", among_its_own.run_id, among_all.run_id, "--runs", str(runs)]
    refused = CliRunner().invoke(app, compared)
    assert (refused.exit_code, told in refused.stderr) == (2, True), refused.output
    named = [among_its_own.run_id, imported.run_id]
    assert list(choose_runs(runs, named, None).records) == named


@pytest.mark.parametrize("move", [shutil.move, shutil.copytree], ids=["renamed", "copied"])
def test_a_folder_by_another_name_is_left_out(
    tmp_path: Path, photos: Path, move: Callable[[Path, Path], object]
) -> None:
    """Its record says of which run it is, so the run is not taken twice, nor sought where it is not."""
    runs = tmp_path / "runs"
    moved = write_run(runs, photos, "moved", [True] * 6, started=FIRST)
    other = write_run(runs, photos, "other", [False, *[True] * 5], started=SECOND)
    move(runs / moved.run_id, runs / "old")
    there = [record.run_id for record in (moved, other) if (runs / record.run_id).exists()]
    assert [record.run_id for record in list_runs(runs)] == there
    choice = choose_runs(runs, [], None)
    assert list(choice.records) == there
    assert choice.left_out == {"old": f"it was moved: its record is that of {moved.run_id}"}
    assert list(choose_runs(runs, ["old"], None).records) == [moved.run_id]


def test_a_copy_does_not_hide_the_run_from_a_beginning_of_its_name(tmp_path: Path, photos: Path) -> None:
    runs = tmp_path / "runs"
    run = write_run(runs, photos, "one", [True] * 6)
    shutil.copytree(runs / run.run_id, runs / f"{run.run_id}-copy")
    assert find_run(runs, run.run_id[:-1]) == runs / run.run_id


def test_a_run_of_the_folder_is_meant_before_one_of_its_name_in_the_working_directory(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, here = tmp_path / "runs", tmp_path / "here"
    run = write_run(runs, photos, "one", [True] * 6).run_id
    for name in (run, run[:-1]):
        shutil.copytree(runs / run, here / name)
    monkeypatch.chdir(here)
    assert find_run(runs, run) == find_run(runs, run[:-1]) == runs / run
    assert find_run(runs, f"./{run}") == Path(run)
    assert find_run(tmp_path / "empty", run) == Path(run)


def test_where_all_runs_were_renamed_the_refusal_says_so(tmp_path: Path, photos: Path) -> None:
    moved = write_run(tmp_path, photos, "moved", [True] * 6)
    (tmp_path / moved.run_id).rename(tmp_path / "old")
    with pytest.raises(UsageError, match=f"but old, and it was moved: .* {moved.run_id}") as refused:
        choose_runs(tmp_path, [], None)
    assert refused.value.hint == "rename the folder back"
