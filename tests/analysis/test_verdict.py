"""Printed digits are a tolerance, and thresholds are inclusive."""

from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.analysis.verdict import Verdict, gap_to_printed, judge_accuracy, judge_count

GAPS = [
    ("80.294", "80.3", "0"),
    ("80.25", "80.3", "0"),
    ("80.35", "80.3", "0"),
    ("80.40", "80.3", "0.05"),
    ("80.20", "80.3", "-0.05"),
    ("80.2945", "80.294", "0"),
    ("80.296", "80.294", "0.0015"),
    ("44.549", "45", "0"),
    ("129.138", "116", "12.638"),
    ("22.96", "23.0", "0"),
    ("22.96", "23.00", "-0.035"),
]


@pytest.mark.parametrize(("measured", "printed", "gap"), GAPS)
def test_gap_to_printed(measured, printed, gap):
    assert gap_to_printed(Decimal(measured), Decimal(printed)) == Decimal(gap)


@pytest.mark.parametrize(
    ("measured", "verdict"),
    [
        ("80.294", Verdict.SAME),
        ("80.38", Verdict.SAME),
        ("80.3801", Verdict.REPRODUCED),
        ("80.22", Verdict.SAME),
        ("80.2199", Verdict.REPRODUCED),
        ("80.45", Verdict.REPRODUCED),
        ("80.4501", Verdict.DIFFERENT),
        ("80.15", Verdict.REPRODUCED),
        ("80.1499", Verdict.DIFFERENT),
        ("0", Verdict.DIFFERENT),
    ],
)
def test_verdict_on_top1(measured, verdict):
    assert judge_accuracy(Decimal(measured), Decimal("80.3")).verdict is verdict


@pytest.mark.parametrize(
    ("measured", "printed", "verdict"),
    [
        ("44.549", "45", Verdict.AGREES),
        ("11.533", "11.6", Verdict.AGREES),
        ("129.138", "116", Verdict.DIFFERS),
        ("17.583", "17.5", Verdict.AGREES),
        ("61.604", "63.6", Verdict.DIFFERS),
        ("85", "86", Verdict.AGREES),
        ("84.999", "86", Verdict.DIFFERS),
        ("3.413", "3.6", Verdict.DIFFERS),
    ],
)
def test_verdict_on_counts(measured, printed, verdict):
    assert judge_count(Decimal(measured), Decimal(printed)).verdict is verdict


def test_a_difference_is_said_in_words():
    figure = judge_accuracy(Decimal("79.81"), Decimal("80.3"))
    assert (figure.difference, figure.reason) == (Decimal("-0.44"), "0.440 points below 80.3")


measurements = st.decimals(0, 400, places=6)


@given(measurements, st.integers(0, 3), st.sampled_from([ROUND_HALF_UP, ROUND_HALF_EVEN]))
def test_whatever_rounds_to_the_print_has_no_gap(measured, digits, rounding):
    printed = measured.quantize(Decimal(1).scaleb(-digits), rounding)
    assert gap_to_printed(measured, printed) == 0


@given(measurements, measurements, st.integers(0, 3))
def test_the_gap_leads_to_the_edge_of_the_interval(measured, other, digits):
    unit = Decimal(1).scaleb(-digits)
    printed = other.quantize(unit)
    gap = gap_to_printed(measured, printed)
    assert abs(measured - gap - printed) <= unit / 2
    assert gap == 0 or abs(measured - gap - printed) == unit / 2
    assert gap * (measured - printed) >= 0


@given(measurements, st.decimals(0, 100, places=1))
def test_verdicts_follow_the_gap(measured, printed):
    gap = abs(gap_to_printed(measured, printed))
    expected = ["SAME", "REPRODUCED", "DIFFERENT"][(gap > Decimal("0.03")) + (gap > Decimal("0.10"))]
    assert judge_accuracy(measured, printed).verdict == expected
