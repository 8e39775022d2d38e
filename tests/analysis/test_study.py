"""The study of causes: known answers, against scipy and counts by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from repro.analysis.cause_pairs import ANY, Base
from repro.analysis.family_pairs import sort_pairs
from repro.analysis.shares import pooled_share
from repro.analysis.statistics import wilson_interval
from repro.analysis.study import Scope, common_images, study_causes
from repro.catalogue.error_types import load_error_types
from repro.catalogue.models import find_model
from repro.exceptions import InvalidRun, UsageError
from tests.analysis.caused import MIXERS, NAMES, alike, differing, errors_of, images
from tests.analysis.rows import rows_of


def test_two_models_that_differ_by_construction_differ_in_that_alone() -> None:
    study = differing()
    found = {(one.base, one.cause): one for one in study.differences if one.scope is Scope.GENUINE}
    size = found[Base.IMAGES, "size candidate"]
    counts = size.counts
    assert (counts.both, counts.only_first, counts.only_second, counts.neither) == (5, 55, 0, 330)
    assert size.p == pytest.approx(binomtest(55, 55).pvalue)
    assert size.rates == (60 / 390, 5 / 390)  # the ten images without a valid label do not count
    assert {cause for (_, cause), one in found.items() if one.shown} == {"size candidate", ANY}
    assert found[Base.BOTH_WRONG, "size candidate"].counts.n == 45
    assert not found[Base.BOTH_WRONG, "size candidate"].shown
    low, high = size.interval
    assert low < 55 / 390 < high
    assert study.not_excluded([size]) > high


def test_with_acceptable_labels_every_image_and_error_counts() -> None:
    study = differing()
    first, second = study.runs
    assert (first.n_errors[Scope.GENUINE], first.n_errors[Scope.ALL]) == (100, 125)
    assert (second.n_errors[Scope.GENUINE], second.n_errors[Scope.ALL]) == (45, 70)
    share = first.shares[Scope.GENUINE]["size candidate"]
    assert (share.n, share.of) == (60, 100)
    assert (share.low, share.high) == wilson_interval(60, 100)
    found = [one for one in study.differences if one.scope is Scope.ALL]
    assert {one.counts.n for one in found if one.base is Base.IMAGES} == {400}
    assert {one.counts.n for one in found if one.base is Base.BOTH_WRONG} == {70}


def test_p_values_are_corrected_for_all_comparisons_of_their_scope() -> None:
    for scope in Scope:
        found = [one for one in differing().differences if one.scope is scope]
        p = np.array([one.p for one in found])
        order = np.argsort(p)
        by_hand = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1)
        assert [found[i].p_corrected for i in order] == pytest.approx(by_hand)


def test_models_that_do_not_differ_are_not_said_to() -> None:
    study = alike()
    assert not any(one.shown for one in study.differences)
    size = next(one for one in study.differences if one.cause == "size candidate")
    assert (size.counts.only_first, size.counts.only_second) == (10, 10)
    assert study.not_excluded([size]) > size.interval[1]


def test_errors_in_the_same_image_are_not_taken_for_independent() -> None:
    has_cause = pd.Series([True] * 60 + [False] * 140)
    twice = pd.concat([has_cause, has_cause], ignore_index=True)
    ids = pd.Series([*range(200), *range(200)])
    clustered = pooled_share(twice, ids)
    assert (clustered.n, clustered.of) == (120, 400)
    assert (clustered.low, clustered.high) == pytest.approx(wilson_interval(60, 200), abs=1e-3)
    for none_or_all in (pd.Series([False] * 400), pd.Series([True] * 400)):
        share = pooled_share(none_or_all, ids)
        n = 200 if share.n else 0
        assert share.of == 400 and (share.low, share.high) == wilson_interval(n, 200)
    single = pooled_share(has_cause, pd.Series(range(200)))
    assert (single.low, single.high) == pytest.approx(wilson_interval(60, 200), abs=1e-3)


def test_a_family_has_the_errors_of_all_its_runs() -> None:
    ids = images(50)
    rows = [("a", i, "size candidate") for i in ids[:10]] + [("b", i, "unexplained") for i in ids[:20]]
    study = study_causes(errors_of(rows), ids, set(), {"a": "A", "b": "B"}, dict.fromkeys("ab", "pooling"))
    (family,) = study.families
    assert family.runs == ("a", "b")
    assert family.shares[Scope.GENUINE]["size candidate"].fraction == 10 / 30
    assert all(one.same_family for one in study.differences)


def test_where_labels_excuse_every_error_there_is_nothing_to_study() -> None:
    rows = [("a-run", "i0000", "acceptable label"), ("b-run", "i0001", "overlapping classes")]
    with pytest.raises(UsageError, match="no genuine error among 2"):
        study_causes(errors_of(rows), images(2), set(), NAMES, MIXERS)


def test_only_images_that_every_run_scored_are_compared() -> None:
    first = rows_of([0, 1, 2], statuses=["ok", "ok", "unreadable: x"])
    second = rows_of([1, 0, 0], statuses=["unreadable: x", "ok", "ok"])
    found = common_images({"first": first, "second": second})
    assert [rows["image_id"].to_pylist() for rows in found.values()] == [["b"], ["b"]]
    with pytest.raises(InvalidRun, match="no image was scored in every run"):
        common_images({"first": first, "second": rows_of([1], ids=["z"])})


def ranked(who: Sequence[Sequence[str]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Pairs and their errors: by pair and image, the runs that take the image so, a letter each."""
    errors = [
        {"run": run, "label": 0, "predicted": pair, "image_id": f"{pair}-{image}"}
        for pair, runs_of in enumerate(who)
        for image, runs in enumerate(runs_of)
        for run in runs
    ]
    by_run = [dict(Counter("".join(runs_of))) for runs_of in who]
    counts = [sum(one.values()) for one in by_run]
    pairs = pd.DataFrame({"count": counts, "n_runs": [len(one) for one in by_run], "by_run": by_run})
    return pairs, pd.DataFrame(errors)


@pytest.mark.parametrize(("chances", "expected"), [((0.5, 0.5, 0), 50), ((0.25, 0.25, 0.5), 6.25)])
def test_runs_that_resemble_each_other_do_not_make_chance_rarer(
    chances: tuple[float, ...], expected: float
) -> None:
    """200 pairs of 3 images, each falling to two runs of one family, of the other, or to all four."""
    mixers = {"a": "pooling", "b": "pooling", "c": "attention", "d": "attention"}
    alone, by_chance = [], []
    for seed in range(5):
        who = np.random.default_rng(seed).choice(["ab", "cd", "abcd"], (200, 3), p=chances).tolist()
        found = sort_pairs(*ranked(who), mixers)
        assert found.one_family is not None
        alone.append(len(found.one_family))
        by_chance.append(found.by_chance)
    assert np.mean(by_chance) == pytest.approx(expected, rel=0.1)
    assert abs(np.mean(alone) - expected) < 3 * np.sqrt(expected / 5)


def test_pairs_are_sorted_by_who_makes_them() -> None:
    by_run = [{"a": 4, "b": 4}, {"a": 5}, {"b": 6}, {"a": 2}]
    who = [["ab"] * 4, ["a"] * 5, ["b"] * 6, ["a"] * 2]
    pairs, errors = ranked(who)
    assert list(pairs["by_run"]) == by_run
    found = sort_pairs(pairs, errors, {"a": "pooling", "b": "attention"})
    assert list(found.every_run["count"]) == [8]
    assert found.one_family is not None
    assert list(found.one_family["token_mixer"]) == ["pooling", "attention"]
    assert (found.n_pairs, found.n_frequent, found.n_errors) == (4, 3, 21)
    expected = sum((7 / 17) ** n + (6 / 17) ** n for n in (5, 6))  # 4 and 2 images alone have too few errors
    assert found.by_chance == pytest.approx(expected)
    assert sort_pairs(pairs, errors, {"a": "pooling", "b": "pooling"}).one_family is None


def test_published_types_are_those_of_models_of_the_catalogue_and_add_up() -> None:
    published = load_error_types()
    assert len(published) == 11
    for model, types in published.items():
        assert find_model(model).name == model
        assert sum(types.counts.values()) == types.n_errors
    assert published["deit_s"].counts["model failure"] == 868


def test_an_error_in_another_image_is_none_in_the_last() -> None:
    ids = images(3)
    rows = [(run, ids[0], "unexplained") for run in NAMES] + [("a-run", "elsewhere", "size candidate")]
    study = study_causes(errors_of(rows), ids, set(), NAMES, MIXERS)
    of_size = [one.counts for one in study.differences if one.cause == "size candidate"]
    assert of_size and not any(counts.both + counts.only_first + counts.only_second for counts in of_size)
