"""The page of two models: the paired test, and the images by outcome."""

from __future__ import annotations

from pathlib import Path

import pytest

from repro.analysis.outcomes import ALIKE, OUTCOMES, load_outcomes
from repro.analysis.run_metrics import compare_pairs
from repro.results.choice import RunChoice, choose_runs
from repro.results.store import read_rows
from tests.apps.opening import open_page


@pytest.fixture(scope="module")
def choice(published_runs: Path) -> RunChoice:
    return choose_runs(published_runs, [], None)


def test_the_four_fields_are_those_of_the_paired_comparison(published_runs: Path, choice: RunChoice) -> None:
    at = open_page("two_models", published_runs)
    rows = {run: read_rows(published_runs / run, record) for run, record in choice.records.items()}
    counts = compare_pairs(rows)[0].counts
    shown = [metric.value for metric in at.metric]
    assert shown == [f"{n:,}" for n in (counts.both, counts.only_first, counts.only_second, counts.neither)]
    assert any("ViT is better than ResNet50" in said.value.replace("\\", "") for said in at.markdown)


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_the_address_chooses_the_outcome(published_runs: Path, choice: RunChoice, outcome: str) -> None:
    at = open_page("two_models", published_runs, outcome=outcome)
    n = (load_outcomes(choice.rows)["outcome"] == outcome).sum()
    assert any(said.value == f"**{n:,} images**" for said in at.markdown)


def test_what_both_say_alike_is_one_column(published_runs: Path) -> None:
    at = open_page("two_models", published_runs, outcome=ALIKE)
    answers = next(table.value for table in at.dataframe if table.key == "answers")
    assert list(answers) == ["True", "Taken for", "Images"]


def test_one_run_is_not_enough(published_runs: Path, choice: RunChoice) -> None:
    at = open_page("two_models", published_runs, runs=next(iter(choice.records)))
    (error,) = at.error
    assert "it takes two runs" in error.value.replace("\\", "")
