"""Whether there is anything to explain: by what is printed, published or given, on all images or on some."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from repro.analysis.gap import measure_gap
from repro.exceptions import InvalidRun
from tests.analysis.records import run_of


def test_a_run_that_matches_needs_no_explanation():
    found = measure_gap(run_of("poolformer_s24", 40_150))
    assert found.gap is None
    assert "80.30 % on 50,000 images is SAME as 80.3 (printed in" in found.statement
    assert found.statement.endswith("nothing to explain")


def test_what_is_missing_has_the_range_of_the_printed_digits():
    found = measure_gap(run_of("poolformer_s24", 39_000))
    assert (found.gap.low, found.gap.high) == pytest.approx((0.0225, 0.0235))
    assert "2.250 points below 80.3" in found.statement
    too_good = measure_gap(run_of("poolformer_s24", 41_000)).gap
    assert (too_good.low, too_good.high) == pytest.approx((-0.0175, -0.0165))


def test_a_sample_whose_interval_contains_the_reference_has_nothing_to_explain_yet():
    found = measure_gap(run_of("poolformer_s24", 792, n=1000))
    assert found.gap is None
    assert "the run's own interval 76.6–81.6 contains 80.3" in found.statement
    assert "nothing to explain yet; evaluate more images" in found.statement


def test_a_sample_far_off_has_a_gap_with_its_sampling_error():
    found = measure_gap(run_of("poolformer_s24", 700, n=1000))
    assert 0.07 < found.gap.low < 0.103 < found.gap.high < 0.14
    assert "leaves out 80.3" in found.statement


def test_timms_protocol_is_held_to_what_timm_publishes():
    found = measure_gap(run_of("deit_s", 39_000, protocol_name="timm"))
    assert found.reference.top1_pct == Decimal("79.856")
    assert found.reference.source == "published by timm"


def test_a_given_reference_counts_on_any_images():
    run = run_of("efficientnet_lite0", 890, n=1000)
    elsewhere = replace(run, dataset=replace(run.dataset, name="photos"))
    assert measure_gap(elsewhere).reference is None
    assert "no reference: photos is not ImageNet val" in measure_gap(elsewhere).statement
    found = measure_gap(elsewhere, Decimal("90.0"))
    assert (found.gap.low, found.gap.high) == pytest.approx((0.0095, 0.0105))
    assert measure_gap(elsewhere, Decimal("89.0")).gap is None


def test_some_classes_are_not_held_to_figures_of_all():
    run = run_of("poolformer_s24", 700, n=1000)
    assert "100 of 1000 classes" in (
        measure_gap(replace(run, dataset=replace(run.dataset, n_classes=100))).statement
    )


def test_an_invalid_run_is_refused():
    with pytest.raises(InvalidRun, match="3 images missing"):
        measure_gap(run_of("poolformer_s24", 40_000, invalid="3 images missing"))
