"""Wilson's interval against its published formula and known values, the corrected p values against scipy."""

from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, false_discovery_control

from repro.analysis.statistics import (
    benjamini_hochberg,
    exact_intervals,
    paired_difference,
    wilson_interval,
)
from repro.exceptions import InvalidRun

# Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
PUBLISHED = {
    (81, 263): (0.2553, 0.3662),
    (15, 148): (0.0624, 0.1605),
    (0, 20): (0.0, 0.1611),
    (1, 29): (0.0061, 0.1718),
}


@pytest.mark.parametrize(("counts", "interval"), PUBLISHED.items())
def test_published_values(counts, interval):
    assert wilson_interval(*counts) == pytest.approx(interval, abs=5e-5)


@given(st.integers(1, 50_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilsons_formula(counts):
    correct, n = counts
    z, p = 1.959963984540054, correct / n
    centre, reach = p + z * z / (2 * n), z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = wilson_interval(correct, n)
    assert (low, high) == pytest.approx(
        ((centre - reach) / (1 + z * z / n), (centre + reach) / (1 + z * z / n)), abs=1e-9
    )
    assert 0 <= low <= p <= high <= 1
    of_scipy = binomtest(correct, n).proportion_ci(method="wilson")
    assert (low, high) == pytest.approx((of_scipy.low, of_scipy.high), rel=1e-13, abs=1e-16)


def test_higher_confidence_is_wider():
    low, high = wilson_interval(890, 1000, confidence=0.99)
    assert low < wilson_interval(890, 1000)[0] < wilson_interval(890, 1000)[1] < high


def test_no_images_no_interval():
    with pytest.raises(InvalidRun, match="no image was scored"):
        wilson_interval(0, 0)


@given(st.lists(st.floats(0, 1) | st.sampled_from([0.0, 0.01, 1.0]), max_size=30), st.integers(0, 60))
def test_those_not_listed_count_as_tests_with_p_1(p_values, n_tests):
    p = np.array(p_values)
    padded = np.concatenate([p, np.ones(max(n_tests - len(p), 0))])
    expected = false_discovery_control(padded)[: len(p)] if len(p) else p
    assert benjamini_hochberg(p, n_tests).tolist() == expected.tolist()


@given(
    st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(1, 2000)).filter(
        lambda c: c[0] + c[1] <= c[2]
    ),
    st.sampled_from([0.8, 0.95, 0.999]),
)
def test_exact_intervals_are_of_scipys_limits(counts, confidence):
    *only, n = counts
    (interval,) = exact_intervals(*([count] for count in counts), confidence)
    a, b = (binomtest(k, n).proportion_ci((1 + confidence) / 2, method="exact") for k in only)
    assert interval == pytest.approx((a.low - b.high, a.high - b.low), abs=1e-9)
    assert interval[0] <= (only[0] - only[1]) / n <= interval[1]


def test_what_20_images_without_a_discordant_one_leave_possible():
    """One of which only a is right in 16.8 % of images shows none of 20 in 2.5 % of tries."""
    ((low, high),) = exact_intervals([0], [0], [20])
    assert high == -low == pytest.approx(1 - 0.0125 ** (1 / 20))
    assert paired_difference(0, 0, 20).high < 0.168 < high
