"""The pages of the confusions and of a pair: filters, counts, addresses."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from repro.analysis.confusions import rank_pairs
from repro.analysis.error_study import (
    ErrorStudy,
    made_by_every_run,
    made_by_one_family,
    of_causes,
    study_errors,
    with_confidence,
)
from repro.analysis.matrix import count_matrix
from repro.browser.matrix import Axis, to_spec
from repro.catalogue.class_groups import class_groups
from repro.catalogue.class_lookup import find_class
from repro.catalogue.classes import class_name
from repro.results.choice import RunChoice, choose_runs
from tests.apps.opening import SECONDS, open_page

DEPTH = 8


@pytest.fixture(scope="module")
def choice(published_runs: Path) -> RunChoice:
    return choose_runs(published_runs, [], None)


@pytest.fixture(scope="module")
def study(choice: RunChoice) -> ErrorStudy:
    return study_errors(choice.rows, choice.models, DEPTH)


def said(at: AppTest) -> str:
    return next(text.value for text in at.markdown if "errors in" in text.value)


def told(study: ErrorStudy) -> str:
    pairs = rank_pairs(study.errors, study.counts)
    return f"**{len(study.errors):,} errors in {len(pairs):,} pairs**"


def test_without_a_filter_all_errors_are_there(published_runs: Path, study: ErrorStudy) -> None:
    at = open_page("confusions", published_runs)
    assert said(at) == told(study)
    first = next(table.value for table in at.dataframe if table.key == "pairs").iloc[0]
    ranked = rank_pairs(study.errors, study.counts).iloc[0]
    assert (first["True"], first["Taken for"]) == (
        class_name(ranked["label"]),
        class_name(ranked["predicted"]),
    )
    assert first["Errors"] == ranked["count"]


def test_a_cause_and_a_confidence_are_filters(published_runs: Path, study: ErrorStudy) -> None:
    at = open_page("confusions", published_runs, cause="size candidate")
    assert said(at) == told(of_causes(study, ["size candidate"]))
    at = open_page("confusions", published_runs, min_p="0.5")
    assert said(at) == told(with_confidence(study, 0.5))


def test_who_makes_the_errors_is_a_filter(published_runs: Path, study: ErrorStudy, choice: RunChoice) -> None:
    at = open_page("confusions", published_runs, made_by="every run")
    assert said(at) == told(made_by_every_run(study))
    mixers = {run: record.model.token_mixer for run, record in choice.records.items()}
    mixer = sorted(set(mixers.values()))[0]
    at = open_page("confusions", published_runs, made_by=f"only {mixer}")
    assert said(at) == told(made_by_one_family(study, mixers, mixer))


def test_who_makes_an_error_is_asked_before_how_sure_it_is(
    published_runs: Path, study: ErrorStudy, choice: RunChoice
) -> None:
    """An error that the other family makes too, with a lower p, is not one family's alone."""
    mixers = {run: record.model.token_mixer for run, record in choice.records.items()}
    mixer = sorted(set(mixers.values()))[0]
    alone = made_by_one_family(study, mixers, mixer)
    at = open_page("confusions", published_runs, made_by=f"only {mixer}", min_p="0.5")
    assert said(at) == told(with_confidence(alone, 0.5))
    assert len(with_confidence(alone, 0.5).errors) < len(
        made_by_one_family(with_confidence(study, 0.5), mixers, mixer).errors
    )


def test_a_threshold_leaves_the_frequent_pairs(published_runs: Path, study: ErrorStudy) -> None:
    at = open_page("confusions", published_runs, at_least=10)
    pairs = rank_pairs(study.errors, study.counts)
    frequent = pairs[pairs["count"] >= 10]
    assert said(at) == f"**{frequent['count'].sum():,} errors in {len(frequent):,} pairs**"


def test_the_matrix_counts_what_the_pairs_do(published_runs: Path, study: ErrorStudy) -> None:
    at = open_page("confusions", published_runs, form="matrix")
    assert said(at) == told(study)
    assert not at.error


def test_the_matrix_draws_every_error_once(study: ErrorStudy) -> None:
    groups = class_groups()
    axis = Axis(tuple(g.name for g in groups), tuple(g.classes for g in groups), are_groups=True)
    pairs = rank_pairs(study.errors, study.counts)
    spec = to_spec(axis, axis, count_matrix(pairs, axis.classes, axis.classes))
    cells = spec["data"]["values"]
    assert sum(cell["errors"] for cell in cells) == len(study.errors)
    of = {index: group.name for group in groups for index in group.classes}
    first = cells[0]
    by_hand = study.errors["label"].map(of).eq(first["true"]) & study.errors["predicted"].map(of).eq(
        first["taken for"]
    )
    assert first["errors"] == by_hand.sum()
    assert (groups[first["row"]].name, groups[first["column"]].name) == (first["true"], first["taken for"])
    assert first["told"] == f"{first['true']} → {first['taken for']}: {by_hand.sum():,}"


def test_errors_made_by_every_run_are_the_same_image_taken_for_the_same_class(study: ErrorStudy) -> None:
    by_hand: dict[tuple[str, int], set[str]] = {}
    for run, image_id, predicted in study.errors[["run", "image_id", "predicted"]].itertuples(index=False):
        by_hand.setdefault((image_id, predicted), set()).add(run)
    expected = sum(len(runs) for runs in by_hand.values() if len(runs) == len(study.runs))
    assert len(made_by_every_run(study).errors) == expected > 0


def test_errors_of_one_family_are_of_images_that_the_others_get_right(
    study: ErrorStudy, choice: RunChoice
) -> None:
    mixers = {run: record.model.token_mixer for run, record in choice.records.items()}
    first, second = choice.records
    wrong = {run: set(study.errors.loc[study.errors["run"] == run, "image_id"]) for run in (first, second)}
    found = made_by_one_family(study, mixers, mixers[first]).errors
    assert set(found["image_id"]) == wrong[first] - wrong[second]
    assert set(found["run"]) == {first}


def test_a_pair_has_its_errors_both_ways(published_runs: Path, study: ErrorStudy) -> None:
    tub, bathtub = find_class("tub").index, find_class("bathtub").index
    at = open_page("pair", published_runs, true=tub, taken=bathtub)
    errors = study.errors
    forth = ((errors["label"] == tub) & (errors["predicted"] == bathtub)).sum()
    table = next(table.value for table in at.dataframe if "Run" in table.value)
    assert at.title[0].value == "tub taken for bathtub"
    assert table["tub → bathtub"].astype(int).sum() == forth


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"true": "abc", "taken": "1"},
        {"true": "5000", "taken": "1"},
        {"true": "7", "taken": "7"},
        {"true": "-1", "taken": "3"},
        {"true": "٣", "taken": "3"},
    ],
)
def test_a_pair_that_is_none_is_said_in_a_sentence(published_runs: Path, asked: dict[str, str]) -> None:
    at = open_page("pair", published_runs, **asked)
    (error,) = at.error
    assert "the address" in error.value


def test_a_pair_that_nobody_makes_is_said_so(published_runs: Path) -> None:
    at = open_page("pair", published_runs, true=0, taken=999)
    assert any("None of these runs" in info.value for info in at.info)


def a_cell_under_a_foreign_parameter() -> None:
    import streamlit as st

    from repro.browser.matrix import Axis, _address

    groups = Axis(("bird", "dog"), ((7,), (151,)), are_groups=True)
    st.query_params["page"] = "2"
    st.text(_address(groups, groups, (0, 1)))


def test_a_parameter_that_is_none_of_ours_breaks_no_link() -> None:
    at = AppTest.from_function(a_cell_under_a_foreign_parameter, default_timeout=SECONDS).run()
    assert not at.exception
    assert at.text[0].value == "confusions?page=2&rows=bird&columns=dog"


def test_both_ways_together_are_no_true_class_and_what_it_is_taken_for(
    published_runs: Path, study: ErrorStudy
) -> None:
    at = open_page("confusions", published_runs, symmetric="true")
    shown = next(table.value for table in at.dataframe if table.key == "pairs")
    assert "True" not in shown and "Taken for" not in shown
    ranked = rank_pairs(study.errors, study.counts, symmetric=True).iloc[0]
    assert {shown.iloc[0]["Class"], shown.iloc[0]["And"]} == {
        class_name(ranked["label"]),
        class_name(ranked["predicted"]),
    }
