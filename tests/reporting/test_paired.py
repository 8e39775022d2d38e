"""What is said of two runs image by image: no bound that is too narrow, no p that is none."""

from __future__ import annotations

import re

import pytest

from repro.analysis.paired import PairedCounts, differ_each, not_excluded
from repro.analysis.run_metrics import PairComparison
from repro.reporting.paired import finding_sentence


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
