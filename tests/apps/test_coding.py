"""The page on which a reader codes errors."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from pytest import MonkeyPatch
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Button

from repro.browser import coding
from repro.catalogue.classes import class_name
from repro.results.codings import append_coding, load_codings
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
    at.text_area[0].input("its neck, seen from above")
    press(at, runs, "verdict shape")
    (coding,) = load_codings(runs / run).standing
    assert (coding.reader, coding.verdict, coding.note) == ("Ada", "shape", "its neck, seen from above")
    assert image_of(at) != before
    assert at.text_area[0].value == ""


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


def test_undo_where_nothing_was_given_is_none(runs: Path, run: str) -> None:
    """A key that is held down is pressed again before the page is drawn with its button disabled."""
    coding._undo("Ada", run)
    assert not load_codings(runs / run).log


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
    at.text_area[0].input("a note")
    press(at, runs, "verdict context")
    (coding,) = load_codings(runs / run).standing
    model = list_runs(runs)[0].model.label
    facts = frame_with(open_page("image", runs, id=coding.image_id), "What").set_index("What")["Is"]
    assert facts[f"Ada on {class_name(coding.predicted)} ({model})"] == "context: a note"


def test_undo_is_the_readers_own_and_gives_the_earlier_verdict_back(runs: Path, run: str) -> None:
    at = open_page("coding", runs, of=run, reader="Ada")
    at.text_area[0].input("seen twice")
    press(at, runs, "verdict size")
    (first,) = load_codings(runs / run).standing
    at.query_params["id"] = first.image_id
    press(rerun(at, runs), runs, "verdict shape")
    at.text_input(key="reader").input("Grace")
    assert undo_of(rerun(at, runs)).disabled
    at.text_input(key="reader").input("Ada")
    undo_of(rerun(at, runs)).click()
    rerun(at, runs)
    (standing,) = load_codings(runs / run).standing
    assert (standing.reader, standing.verdict, standing.note) == ("Ada", "size", "seen twice")


def test_a_verdict_on_another_runs_error_is_neither_shown_nor_brought_back_by_undo(
    runs: Path, run: str
) -> None:
    """Somebody copied the file of another run here, in which the image was taken for another class."""
    at = open_page("coding", runs, of=run, reader="Ada")
    press(at, runs, "verdict size")
    (own,) = load_codings(runs / run).standing
    undo_of(at).click()
    rerun(at, runs)
    append_coding(runs / run, replace(own, predicted=(own.predicted + 1) % 1000, verdict="shape"))
    press(at, runs, "verdict context")
    undo_of(at).click()
    rerun(at, runs)
    assert not load_codings(runs / run, {own.image_id: (own.label, own.predicted)}).standing
    append_coding(runs / run, replace(own, predicted=(own.predicted + 1) % 1000, verdict="shape"))
    facts = frame_with(open_page("image", runs, id=own.image_id), "What")
    assert not facts["What"].str.startswith("Ada on").any()


def test_what_one_reader_skips_the_others_are_asked(runs: Path, run: str) -> None:
    at = open_page("coding", runs, of=run, reader="Ada")
    before = image_of(at)
    next(button for button in at.button if button.label == "Skip").click()
    assert image_of(rerun(at, runs)) != before
    at.text_input(key="reader").input("Grace")
    assert image_of(rerun(at, runs)) == before


def test_errors_that_were_skipped_are_not_called_done(runs: Path, run: str, monkeypatch: MonkeyPatch) -> None:
    cases_of = coding.cases_of
    monkeypatch.setattr(coding, "cases_of", lambda *args: cases_of(*args)[:2])
    at = open_page("coding", runs, of=run, reader="Ada")
    before = image_of(at)
    for _ in range(2):
        next(button for button in at.button if button.label == "Skip").click()
        rerun(at, runs)
    assert not at.success
    assert any("2 errors are left, which you skipped" in said.value for said in at.info)
    at.button(key="unskip").click()
    assert image_of(rerun(at, runs)) == before


def undo_of(at: AppTest) -> Button:
    return next(button for button in at.button if button.label == "Undo")


def test_a_note_does_not_follow_to_another_error_or_reader(runs: Path, run: str) -> None:
    at = open_page("coding", runs, of=run, reader="Ada")
    before = image_of(at)
    at.text_area[0].input("of the first")
    at.text_input(key="reader").input("Grace")
    assert rerun(at, runs).text_area[0].value == ""
    at.text_area[0].input("of the first, by Grace")
    at.segmented_control(key="order").set_value(coding.CONFIDENT)
    assert image_of(rerun(at, runs)) != before
    assert at.text_area[0].value == ""
