"""The study in sentences: their figures are those of a recount, and they can say that nothing differs."""

from __future__ import annotations

import re
from collections import Counter

import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from repro.analysis.causes import CAUSES
from repro.analysis.family_pairs import FamilyPairs
from repro.analysis.study import EXCUSED, CauseStudy, Scope, study_causes
from repro.reporting.cause_bars import draw_cause_bars
from repro.reporting.prose import sentences_as
from repro.reporting.report import inline_svg
from repro.reporting.sentences import summarise
from repro.reporting.study import (
    MOST_PAIRS,
    differences_table,
    one_family_table,
    published_table,
    shares_table,
)
from tests.analysis.caused import MIXERS, NAMES, alike, differing, errors_of, images


def pairs_of(study: CauseStudy) -> FamilyPairs:
    none = pd.DataFrame({"count": []})
    return FamilyPairs(none, None, 1, 1, 0.0, len(study.errors))


def told(study: CauseStudy) -> dict[str, list[str]]:
    return summarise(study, pairs_of(study), [])


def test_models_that_do_not_differ_are_said_not_to_and_by_how_much_at_most() -> None:
    study = alike()
    every, both = told(study)["Do models differ?"][:2]
    assert every.startswith(
        "Of all images (400): no difference between conv_net and attention_net is shown in: "
    )
    assert "size candidate +0.00 points" in every
    bounds = [
        study.not_excluded(
            [one for one in study.differences if one.scope == "genuine errors" and one.base == base]
        )
        for base in ("of all images", "of images both get wrong")
    ]
    for sentence, bound in zip((every, both), bounds, strict=True):
        stated = float(re.search(r"more than ([\d.]+) points in any of these is excluded", sentence)[1])
        assert 0 <= stated - 100 * bound < 0.01
    assert "more often" not in str(told(study))
    for sentence in told(study)["In short"][:2]:
        assert "no difference between models is shown in 2 comparisons" in sentence


def test_models_that_differ_are_said_to_with_figure_interval_and_p() -> None:
    sentences = told(differing())["Do models differ?"]
    (size,) = [one for one in sentences if "cause size candidate more often" in one]
    assert size.startswith(
        "Of all images (390): conv_net makes errors of cause size candidate more often than "
    )
    assert "15.38 % against 1.28 %, 14.10 points more (+" in size
    assert "In short" in told(differing())


def test_of_genuine_errors_those_of_both_are_the_base() -> None:
    """45 images have a genuine error of both, 70 an error of both."""
    study = differing()
    for heading, scope, words, cell, n in (
        (
            "Do models differ?",
            Scope.GENUINE,
            "in which both make a genuine error",
            "genuine errors of both",
            45,
        ),
        ("With acceptable labels", Scope.ALL, "that both get wrong", "both wrong", 70),
    ):
        (sentence,) = [
            one for one in told(study)[heading] if not one.startswith(("Of all images", "There is"))
        ]
        assert sentence.startswith(f"Of the images {words} ({n}): ")
        rows = differences_table(study, scope).groups[0].rows
        assert {row[2] for row in rows if row[0] == cell} == {str(n)}


@pytest.mark.parametrize(("n", "is_said"), [(MOST_PAIRS, False), (MOST_PAIRS + 1, True)])
def test_pairs_that_a_table_leaves_out_are_said_to_be(n: int, is_said: bool) -> None:
    row = {"label": 0, "predicted": 1, "count": 5, "size_ratio": 1.0, "main_cause": "other"}
    alone = pd.DataFrame([{**row, "token_mixer": mixer} for mixer in ["pooling"] * n + ["attention"]])
    table = one_family_table(FamilyPairs(alone, alone, n, n, 0.0, 5 * n), alone)
    assert [len(group.rows) for group in table.groups] == [MOST_PAIRS, 1]
    said = f"Of each token mixer the {MOST_PAIRS} most frequent; all are in --format json."
    assert (said in table.notes) is is_said


def test_it_says_what_is_not_known() -> None:
    unknown = " ".join(told(differing())["What is not known"])
    for words in (
        "rules, not causes",
        "estimates",
        "No probe was run for conv_net and attention_net",
        "ReaL",
    ):
        assert words in unknown


@settings(max_examples=15)
@given(
    st.lists(
        st.tuples(st.sampled_from(list(NAMES)), st.integers(0, 79), st.sampled_from(CAUSES)),
        unique_by=lambda row: row[:2],
        min_size=1,
    )
)
def test_the_figures_are_those_of_a_recount(drawn: list[tuple[str, int, str]]) -> None:
    rows = [(run, f"i{i:04d}", cause) for run, i, cause in drawn]
    genuine = Counter((run, cause) for run, _, cause in rows if cause not in EXCUSED)
    assume(genuine)
    sentences = told(study_causes(errors_of(rows), images(80), set(), NAMES, MIXERS))["What the errors are"]
    for run, name in NAMES.items():
        n = sum(count for (of, _), count in genuine.items() if of == run)
        n_all = sum(of == run for of, _, _ in rows)
        (sentence,) = [one for one in sentences if one.startswith(name)]
        if not n:
            assert f"none of {n_all} error{'' if n_all == 1 else 's'} is genuine" in sentence
            continue
        assert f"{n} of {n_all} errors are genuine" in sentence
        stated = dict(re.findall(r"(fine-grained|\w+ candidate|unexplained) ([\d.]+) %", sentence))
        assert stated == {
            cause: f"{100 * genuine[run, cause] / n:.1f}" for cause in CAUSES if cause not in EXCUSED
        }


def test_two_runs_of_one_model_are_one_model() -> None:
    rows = [("a-run", i, "size candidate") for i in images(60)] + [("b-run", "i0000", "unexplained")]
    models = dict.fromkeys(NAMES, "conv_net")
    ids = images(400)
    sentences = told(
        study_causes(errors_of(rows), ids, set(), NAMES, dict.fromkeys(NAMES, "pooling"), models)
    )
    assert "there is no other model to differ from" in sentences["In short"][1]
    assert "With one model no pair can be a size or shape candidate" in str(sentences["What is not known"])
    assert sentences["Do models differ?"] == ["One model alone: there is no other model to differ from."]
    names, models = NAMES | {"c-run": "c-run"}, models | {"c-run": "attention_net"}
    mixers = dict.fromkeys(NAMES, "pooling") | {"c-run": "attention"}
    sentences = told(study_causes(errors_of(rows), ids, set(), names, mixers, models))
    assert "1 of 2 comparisons between models show a difference" in sentences["In short"][1]
    assert "There is one model alone of pooling and of attention" in sentences["Do models differ?"][-1]


def test_many_models_are_summed_up() -> None:
    names = {f"r{i}": f"net{i}" for i in range(5)}
    rows = [(run, image, "unexplained") for run in names for image in images(30)]
    mixers = {run: "pooling" if run < "r2" else "attention" for run in names}
    sentences = told(study_causes(errors_of(rows), images(60), set(), names, mixers))["Do models differ?"]
    assert sentences[0].startswith("10 pairs of models, 110 comparisons: 0 show a difference")
    assert "between models of different token mixers: 0 of 36 show one." in sentences[1]
    assert "between models of the same token mixer: 0 of 24 show one." in sentences[2]
    assert sentences[-1].startswith("No difference is shown between any two")


@pytest.mark.parametrize(
    ("form", "escaped"),
    [
        ("text", "<b>![x](y) \\u202e"),
        ("markdown", "\\<b\\>\\!\\[x\\](y) \\\\u202e"),
        ("html", "&lt;b&gt;![x](y) \\u202e"),
        ("latex", "\\ensuremath{<}b\\ensuremath{>}![x](y) \\textbackslash{}u202e"),
    ],
)
def test_names_stand_literally_in_every_form(form: str, escaped: str) -> None:
    shown = sentences_as(form, {"Heading": ["<b>![x](y) \u202e is a model."]})
    assert escaped in shown
    assert "\u202e" not in shown


def test_others_counts_stand_beside_ours_never_mixed() -> None:
    study = differing()
    assert published_table(study, {"a-run": "ResNet50", "b-run": "ViT"}) is None
    table = published_table(study, {"a-run": "deit_s", "b-run": "ViT"})
    assert table is not None
    assert [group.heading for group in table.groups] == [
        "conv_net, here: 125 errors in 400 images",
        "conv_net, Peychev et al. 2023: 3,151 errors in 18,692 images",
    ]
    assert ("model failure", "868", f"{100 * 868 / 3151:.1f}") in table.groups[1].rows
    assert "never mixed" in table.notes[0]


def test_a_run_whose_errors_are_all_excused_has_no_shares() -> None:
    rows = [("a-run", "i0000", "acceptable label"), ("b-run", "i0001", "unexplained")]
    study = study_causes(errors_of(rows), images(9), set(), NAMES, MIXERS)
    table = shares_table(study, Scope.GENUINE)
    assert [(group.heading, len(group.rows)) for group in table.groups] == [
        ("conv_net (convolution): 0 genuine errors", 0),
        ("attention_net (attention): 1 genuine errors", 5),
    ]
    assert "none of 1 error is genuine" in told(study)["What the errors are"][1]
    first, second = draw_cause_bars(study), draw_cause_bars(study)
    assert first == second and first.count(b"<svg") == 1
    assert "<metadata" in first.decode() and "<metadata" not in inline_svg(first)
