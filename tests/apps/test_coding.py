"""The page on which a reader codes errors."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from repro.catalogue.classes import class_name
from repro.results.codings import load_codings
from repro.results.runs import list_runs
from tests.apps.opening import frame_with, open_page, rerun


@pytest.fixture
def runs(published_runs: Path, tmp_path: Path) -> Path:
    """Runs of this test's own, with no verdict yet."""
    return shutil.copytree(published_runs, tmp_path / "runs")


@pytest.fixture
def run(runs: Path) -> str:
    return list_runs(runs)[0].run_id


def press(at: AppTest, runs: Path, button: str) -> AppTest:
    at.button(key=button).click()
    return rerun(at, runs)


def image_of(at: AppTest) -> str:
    """The pair of classes that the question is about."""
    return at.subheader[0].value


def test_a_verdict_is_kept_with_its_note_and_the_next_error_comes(runs: Path, run: str) -> None:
    at = open_page("coding", runs, of=run, reader="Ada")
    before = image_of(at)
    at.text_area(key="note").input("its neck, seen from above")
    press(at, runs, "verdict shape")
    (coding,) = load_codings(runs / run).standing
    assert (coding.reader, coding.verdict, coding.note) == ("Ada", "shape", "its neck, seen from above")
    assert image_of(at) != before
    assert at.text_area(key="note").value == ""


def test_undo_withdraws_the_last_verdict_and_asks_again(runs: Path, run: str) -> None:
    at = open_page("coding", runs, of=run, reader="Ada")
    before = image_of(at)
    press(at, runs, "verdict size")
    undo = next(button for button in at.button if button.label == "Undo")
    undo.click()
    rerun(at, runs)
    assert not load_codings(runs / run).standing
    assert len(load_codings(runs / run).log) == 2
    assert image_of(at) == before


def test_two_readers_come_to_the_same_errors_and_their_agreement_is_told(runs: Path, run: str) -> None:
    for reader, verdicts in (("Ada", ("shape", "size", "other")), ("Grace", ("shape", "context", "other"))):
        at = open_page("coding", runs, of=run, reader=reader)
        for verdict in verdicts:
            press(at, runs, f"verdict {verdict}")
    ours, theirs = (load_codings(runs / run).of_reader(reader) for reader in ("Ada", "Grace"))
    assert ours.keys() == theirs.keys()
    told = frame_with(at, "Coded by both").iloc[0]
    assert (told["Coded by both"], told["Alike"]) == ("3", "2")
    assert frame_with(at, "Coded")["Coded"].tolist() == ["3", "3"]


def test_a_reader_without_a_name_cannot_code(runs: Path, run: str) -> None:
    at = open_page("coding", runs, of=run, reader="Ada")
    at.text_input(key="reader").input(" ")
    rerun(at, runs)
    assert at.button(key="verdict shape").disabled


def test_a_damaged_log_is_named_with_its_line(runs: Path, run: str) -> None:
    (runs / run / "codings.csv").write_text("at,reader\nsomething else\n")
    at = open_page("coding", runs, of=run, reader="Ada")
    (error,) = at.error
    assert "codings.csv, line 1" in error.value.replace("\\", "")


def test_a_verdict_stands_on_the_page_of_its_image(runs: Path, run: str) -> None:
    at = open_page("coding", runs, of=run, reader="Ada")
    at.text_area(key="note").input("a note")
    press(at, runs, "verdict context")
    (coding,) = load_codings(runs / run).standing
    facts = frame_with(open_page("image", runs, id=coding.image_id), "What").set_index("What")["Is"]
    assert facts[f"Ada on {class_name(coding.predicted)}"] == "context: a note"
