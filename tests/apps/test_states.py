"""Whatever lies in the folder of runs, every page says what to do, and shows the rest."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from repro.results.runs import list_runs
from repro.results.survey import UNFINISHED, stamp, survey
from tests.apps.opening import frame_with, open_page, rerun

PAGES = ("overview", "confusions", "two_models", "coding")


@pytest.fixture
def runs(published_runs: Path, tmp_path: Path) -> Path:
    return shutil.copytree(published_runs, tmp_path / "runs")


def flip_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def damage_record(run: Path) -> None:
    (run / "run.json").write_text("{")


def damage_rows(run: Path) -> None:
    flip_a_byte(run / "predictions.parquet")


def lose_rows(run: Path) -> None:
    (run / "predictions.parquet").unlink()


def leave_unfinished(run: Path) -> None:
    for path in ("run.json", "predictions.parquet"):
        (run / path).unlink()
    (run / "shards").mkdir()


def write_by_a_newer_version(run: Path) -> None:
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(record | {"schema": 99}))


def rename(run: Path) -> None:
    run.rename(run.with_name("renamed"))


FAULTS: tuple[Callable[[Path], None], ...] = (
    damage_record,
    damage_rows,
    lose_rows,
    leave_unfinished,
    write_by_a_newer_version,
    rename,
)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_run_that_cannot_be_read_keeps_no_other_from_being_shown(
    runs: Path, fault: Callable[[Path], None]
) -> None:
    broken, whole = list_runs(runs)
    before = stamp(runs)
    fault(runs / broken.run_id)
    found = survey(runs)
    assert [record.run_id for record in found.records] == [whole.run_id]
    (reason,) = found.left_out.values()
    assert reason
    assert stamp(runs) != before
    at = open_page("overview", runs)
    assert not at.error
    assert at.multiselect(key="runs").value == [whole.run_id]
    assert any(reason.split()[0] in said.value.replace("\\", "") for said in at.sidebar.caption)


def test_a_run_under_way_is_told_how_it_goes_on(runs: Path) -> None:
    run, _ = list_runs(runs)
    leave_unfinished(runs / run.run_id)
    assert survey(runs).left_out == {run.run_id: UNFINISHED}


def test_the_counts_of_a_survey_are_those_of_the_rows(runs: Path) -> None:
    for shown, kept in zip(survey(runs).records, list_runs(runs), strict=True):
        assert shown.summary == kept.summary


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("there", [True, False])
def test_without_a_run_every_page_says_how_to_make_one(tmp_path: Path, page: str, there: bool) -> None:
    folder = tmp_path / "runs"
    if there:
        folder.mkdir()
    at = open_page(page, folder)
    (error,) = at.error
    assert "no runs to look at" in error.value
    assert [code.value for code in at.code] == ["repro demo"]


def test_a_run_that_the_address_names_and_that_is_not_there_is_said(runs: Path) -> None:
    at = open_page("overview", runs, runs="nothing-like-it")
    assert any("nothing-like-it" in warning.value.replace("\\", "") for warning in at.warning)


def test_no_run_chosen_is_said(runs: Path) -> None:
    at = open_page("overview", runs)
    at.multiselect(key="runs").set_value([])
    rerun(at, runs)
    (error,) = at.error
    assert "no run is chosen" in error.value


def test_a_run_that_is_evaluated_anew_is_read_anew_though_its_name_stays(runs: Path) -> None:
    """Images that could not be read were mended: the same run id and fingerprint, other answers."""
    first, second = list_runs(runs)
    folder, measured = runs / first.run_id, []
    for record in (first, second):
        rows = (runs / record.run_id / "predictions.parquet").read_bytes()
        (folder / "predictions.parquet").write_bytes(rows)
        model = replace(first.model, name="deit_s", label="DeiT-S")
        own = replace(record, run_id=first.run_id, fingerprint=first.fingerprint, model=model)
        (folder / "run.json").write_text(own.to_json())
        table = frame_with(open_page("overview", runs), "Verdict")
        measured.append(table.set_index("Model").loc["DeiT-S", "Top-1 (%) measured"])
    assert measured[0] and measured[1] and measured[0] != measured[1]
