"""What is said of two runs image by image: no bound that is too narrow, no p that is none."""

from __future__ import annotations

import re

import pytest

from repro.analysis.paired import PairedCounts, differ_each, not_excluded
from repro.analysis.run_metrics import PairComparison
from repro.reporting.figures import p_equation, p_text
from repro.reporting.paired import finding_sentence, pairs_table


def compared(only_first: int, only_second: int, n: int) -> PairComparison:
    counts = PairedCounts(0, only_first, only_second, n - only_first - only_second, 0)
    (paired,) = differ_each([counts])
    return PairComparison("a", "b", counts, paired, paired.p)


@pytest.mark.parametrize("counts", [(0, 0, 20), (1, 0, 33), (12, 9, 400)])
def test_what_is_excluded_is_bounded_exactly_and_rounded_up(counts: tuple[int, int, int]) -> None:
    pair = compared(*counts)
    said = re.search(r"better by more than ([\d.]+) points is excluded", finding_sentence(pair, "A", "B"))
    assert said
    assert 0 <= float(said[1]) - 100 * not_excluded([pair.counts]) < 0.01
    assert float(said[1]) > 100 * pair.paired.high


def test_no_p_is_printed_as_zero() -> None:
    pair = compared(6000, 100, 50_000)
    assert pair.p_corrected == 0
    (row,) = pairs_table([pair]).groups[0].rows
    assert "<1e-99" in row
    assert [p_text(p) for p in (0.0123, 0.0004, 1e-99, 9e-100)] == ["0.012", "4e-04", "1e-99", "<1e-99"]
    assert (p_equation(0.0123), p_equation(0.0)) == ("= 0.012", "< 1e-99")
