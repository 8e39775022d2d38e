"""The page of one image: what the models answered, and what is known of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from repro.catalogue.classes import class_name
from repro.results.choice import choose_runs
from tests.apps.opening import frame_with, open_page

Opened = Callable[..., AppTest]


@pytest.fixture(scope="module")
def wrong(published_runs: Path) -> dict[str, object]:
    """A row of an image that ResNet50 gets wrong."""
    choice = choose_runs(published_runs, [], None)
    run = next(run for run, record in choice.records.items() if record.model.name == "ResNet50")
    return next(row for row in choice.rows[run].to_pylist() if row["top5"][0] != row["label"])


def test_the_answers_are_those_of_the_rows(published_runs: Path, wrong: dict[str, object]) -> None:
    at = open_page("image", published_runs, id=wrong["image_id"])
    answers = frame_with(at, "1.").set_index("Model")
    assert at.title[0].value == str(wrong["image_id"]).replace("_", r"\_")
    assert answers.loc["ResNet50", "Verdict"] == "wrong"
    assert str(answers.loc["ResNet50", "1."]).startswith(class_name(wrong["top5"][0]))  # type: ignore[index]


def test_what_is_known_of_it_names_its_class_and_its_file(
    published_runs: Path, wrong: dict[str, object]
) -> None:
    at = open_page("image", published_runs, id=wrong["image_id"])
    facts = frame_with(at, "What").set_index("What")["Is"]
    assert facts["True class"] == f"{class_name(wrong['label'])} ({wrong['label']})"  # type: ignore[arg-type]
    assert facts["File"] == wrong["path"]
    assert facts["ReaL labels"]
    assert f"Taken for {class_name(wrong['top5'][0])}" in facts  # type: ignore[index]


def test_imported_predictions_have_no_photograph_and_no_network_and_say_so(
    published_runs: Path, wrong: dict[str, object]
) -> None:
    at = open_page("image", published_runs, id=wrong["image_id"])
    assert any("nobody said where their images are" in said.value.replace("\\", "") for said in at.info)
    assert any("Probes need the network" in said.value for said in at.caption)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, "no image is chosen"),
        ({"id": "ILSVRC2012_val_99999999"}, "have no image"),
        ({"id": "../x"}, "no image"),
    ],
)
def test_an_image_that_is_not_there_is_said_in_a_sentence(
    published_runs: Path, asked: dict[str, str], said: str
) -> None:
    at = open_page("image", published_runs, **asked)
    (error,) = at.error
    assert said in error.value.replace("\\", "")
