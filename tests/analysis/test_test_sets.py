"""Timm's figures on other test sets beside runs on them: what is judged, and what is not."""

from dataclasses import replace
from decimal import Decimal

import pytest

from repro.analysis.metrics import RealCount
from repro.analysis.test_sets import NOT_PUBLISHED, compare_test_sets
from repro.analysis.verdict import Verdict
from repro.catalogue.models import find_model, load_models, published_by_timm
from repro.catalogue.test_sets import find_test_set, load_test_sets
from tests.analysis.records import run_of, with_summary

A = "imagenet-a"
V2 = "imagenet-v2-matched-frequency"
PUBLISHED = ("imagenet-real", V2, A, "imagenet-r", "imagenet-sketch")


def run_on(test_set, correct, model="deit_s", n=None, **options):
    """Under timm's protocol unless said otherwise, on the whole set."""
    n = find_test_set(test_set).n_images if n is None else n
    return run_of(model, correct, n=n, test_set=test_set, **{"protocol_name": "timm"} | options)


def cell_of(test_set, *runs, model="deit_s", real=None):
    rows = compare_test_sets(runs, real or {}).rows
    return next(row for row in rows if row.model == model).cells[test_set]


def test_a_row_a_model_that_timm_publishes_and_a_cell_a_set():
    comparison = compare_test_sets([], {})
    assert {row.tag for row in comparison.rows} == set(published_by_timm())
    assert tuple(test_set.name for test_set in comparison.sets) == PUBLISHED
    assert list(comparison.groups) == ["convolution", "attention", "spatial MLP", "pooling"]
    assert comparison.counts == {Verdict.NOT_RUN: 17 * 5}
    assert comparison.command.endswith("--data IMAGENET --protocol timm")
    assert cell_of(A).top1_pct.reason == "repro eval --models deit_s --data IMAGENET-A --protocol timm"


@pytest.mark.parametrize(
    ("correct", "verdict", "difference"),
    [
        (1404, Verdict.SAME, "0"),  # 18.720 %
        (1406, Verdict.SAME, "0.026"),
        (1411, Verdict.REPRODUCED, "0.093"),
        (1412, Verdict.DIFFERENT, "0.106"),
        (1395, Verdict.DIFFERENT, "-0.120"),
    ],
)
def test_a_whole_run_is_judged_by_the_published_digits(correct, verdict, difference):
    cell = cell_of(A, run_on(A, correct))
    assert cell.verdict is verdict
    assert round(cell.top1_pct.difference, 3) == Decimal(difference)
    assert (cell.top1_pct.printed, cell.n) == (Decimal("18.720"), 7500)


def test_top5_has_a_verdict_of_its_own():
    run = with_summary(run_on(A, 1404), top5_correct=3832)  # 51.093 %
    cell = cell_of(A, run)
    assert (cell.top5_pct.printed, cell.top5_pct.verdict) == (Decimal("51.093"), Verdict.SAME)
    assert cell_of(A, with_summary(run, top5_correct=3900)).top5_pct.verdict is Verdict.DIFFERENT


def test_every_published_figure_of_every_set_is_met_by_its_own_count():
    """Each run gets as many right as timm's figure says: SAME throughout, and in its own column."""
    runs = [
        run_on(
            test_set.name, round(figures[f"{test_set.published}_top1"] * test_set.n_images / 100), spec.name
        )
        for test_set in load_test_sets()
        if test_set.published and not test_set.relabels
        for spec in load_models()
        if (figures := published_by_timm().get(spec.tag))
    ]
    comparison = compare_test_sets(runs, {})
    assert comparison.counts == {Verdict.SAME: 17 * 4, Verdict.NOT_RUN: 17}


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        (run_on(A, 18, n=100), "100 of 7,500 images, 1000 of 1000 classes"),
        (run_on(A, 1404, protocol_name="authors"), "protocol differs: crop 0.875 instead of 0.9"),
        (with_summary(run_on(A, 1404), n_scored=7499), "1 of 7,500 images without a prediction"),
    ],
)
def test_only_a_whole_set_under_timms_protocol_is_judged(run, reason):
    cell = cell_of(A, run)
    assert (cell.verdict, cell.top1_pct.reason) == (Verdict.NOT_COMPARABLE, reason)
    assert cell.top1_pct.difference is None
    assert cell.interval[0] < float(cell.top1_pct.measured) / 100 < cell.interval[1]


def test_an_invalid_run_shows_no_percentage():
    cell = cell_of(A, run_on(A, 1404, invalid="2 images unreadable"))
    assert (cell.verdict, cell.top1_pct.measured, cell.interval) == (Verdict.INVALID, None, None)


def test_an_unknown_variant_of_v2_is_not_compared_with_the_matched_frequency_one():
    run = run_on("imagenet-v2", 6853)
    assert cell_of(V2, run).verdict is Verdict.NOT_RUN
    cell = cell_of("imagenet-v2", run)
    assert (cell.verdict, cell.top1_pct.printed) == (Verdict.NOT_COMPARABLE, None)
    assert "--test-set imagenet-v2-matched-frequency says so" in cell.top1_pct.reason
    assert cell_of(V2, run_on(V2, 6853)).verdict is Verdict.SAME


def test_a_set_without_published_figures_is_shown_where_something_ran():
    cell = cell_of("imagenet-v2-top-images", run_on("imagenet-v2-top-images", 8000))
    assert (cell.verdict, cell.top1_pct.measured) == (Verdict.NOT_PRINTED, Decimal(80))


def test_a_run_never_counts_on_a_set_that_it_is_not_of():
    runs = [run_on(A, 1404), run_of("deit_s", 39_928, protocol_name="timm")]
    comparison = compare_test_sets(runs, {})
    (row,) = [row for row in comparison.rows if row.model == "deit_s"]
    ran = {name for name, cell in row.cells.items() if cell.run_id}
    assert ran == {A, "imagenet-real"}
    # A folder that is only called so, evaluated before there were test sets.
    old = run_of("deit_s", 1404, n=7500, partial="7,500 images, not the 50,000 of ImageNet val")
    old = replace(old, dataset=replace(old.dataset, name=A))
    assert cell_of(A, old).verdict is cell_of("imagenet-real", old).verdict is Verdict.NOT_RUN


def test_the_run_that_says_most_is_taken():
    runs = [
        run_on(A, 20, n=100, started="2026-09-02"),
        run_on(A, 1404),
        run_on(A, 1300, protocol_name="authors"),
    ]
    assert cell_of(A, *runs).verdict is Verdict.SAME


def test_real_is_counted_from_the_rows_of_runs_on_imagenet_val():
    run = run_of("deit_s", 39_928, protocol_name="timm")
    real = {run.run_id: {1: RealCount(40_126, 46_837, 3163), 5: RealCount(45_391, 46_837, 3163)}}
    cell = cell_of("imagenet-real", run, real=real)
    assert (cell.verdict, cell.n, cell.top1_pct.printed) == (Verdict.SAME, 46_837, Decimal("85.672"))
    assert cell.top5_pct.verdict is Verdict.SAME
    part = run_of("deit_s", 80, n=100, protocol_name="timm")
    cell = cell_of("imagenet-real", part, real={part.run_id: {1: RealCount(80, 94, 6)}})
    assert (cell.verdict, cell.n, cell.top1_pct.difference) == (Verdict.NOT_COMPARABLE, 94, None)
    assert cell.top5_pct.measured is None
    cell = cell_of("imagenet-real", run)
    assert (cell.verdict, cell.n, cell.top1_pct.measured) == (Verdict.NOT_COMPARABLE, None, None)


def test_other_models_come_last_and_need_not_be_in_the_catalogue():
    run = run_on(A, 100, model="efficientnet_lite0")
    foreign = replace(run, model=replace(run.model, name="timm:x.y", label="x.y", timm_name="x.y"))
    rows = compare_test_sets([run, foreign], {}).rows
    assert [(row.group, row.model) for row in rows[-2:]] == [
        (NOT_PUBLISHED, "efficientnet_lite0"),
        (NOT_PUBLISHED, "timm:x.y"),
    ]
    assert rows[-1].cells[A].verdict is Verdict.NOT_PRINTED
    assert not rows[-1].cells["imagenet-r"].shown


def test_a_model_is_known_by_its_catalogue_protocol_whatever_it_is_called():
    spec = find_model("poolformer_s24")
    run = run_on(A, 1058, model="poolformer_s24", protocol_name="authors")
    same = spec.protocols["authors"] == spec.protocols["timm"]
    assert (cell_of(A, run, model="poolformer_s24").verdict is Verdict.SAME) == same
