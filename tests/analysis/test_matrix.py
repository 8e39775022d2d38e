"""The matrix of confusions against a loop over the pairs."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.analysis.confusions import rank_pairs
from repro.analysis.errors import class_counts, load_errors
from repro.analysis.matrix import Groups, count_matrix
from repro.catalogue.class_groups import class_groups
from repro.exceptions import UsageError
from repro.results.runs import list_runs
from repro.results.store import read_rows

CLASSES = st.integers(0, 12) | st.integers(0, 999)

PAIRS = st.lists(st.tuples(CLASSES, CLASSES, st.integers(1, 50)), max_size=40).map(
    lambda pairs: pd.DataFrame(pairs, columns=["label", "predicted", "count"], dtype="int64")
)


def cut(classes: list[int], sizes: list[int]) -> list[list[int]]:
    ends = np.cumsum([0, *sizes])
    return [classes[start:end] for start, end in pairwise(ends)]


GROUPS = st.builds(
    cut, st.lists(CLASSES, unique=True, max_size=30), st.lists(st.integers(0, 5), min_size=1, max_size=8)
)


def by_loop(pairs: pd.DataFrame, rows: Groups, columns: Groups) -> list[list[int]]:
    def count(of: list[int], taken_for: list[int]) -> int:
        return sum(
            pair.count_
            for pair in pairs.rename(columns={"count": "count_"}).itertuples()
            if pair.label != pair.predicted and pair.label in of and pair.predicted in taken_for
        )

    return [[count(row, column) for column in columns] for row in rows]


@given(PAIRS, GROUPS, GROUPS)
def test_it_counts_as_a_loop_does(pairs: pd.DataFrame, rows: Groups, columns: Groups) -> None:
    matrix = count_matrix(pairs, rows, columns)
    assert matrix.shape == (len(rows), len(columns))
    assert matrix.dtype == np.int64
    assert matrix.tolist() == by_loop(pairs, rows, columns)


@given(PAIRS)
def test_all_errors_are_in_the_groups_and_in_the_single_classes(pairs: pd.DataFrame) -> None:
    n = pairs["count"][pairs["label"] != pairs["predicted"]].sum()
    groups, singles = [group.classes for group in class_groups()], [[index] for index in range(1000)]
    assert count_matrix(pairs, groups, groups).sum() == n
    matrix = count_matrix(pairs, singles, singles)
    assert matrix.sum() == n
    assert not matrix.diagonal().any()


def test_published_predictions_zoom_from_groups_into_classes(published_runs: Path) -> None:
    runs = {run.run_id: read_rows(published_runs / run.run_id, run) for run in list_runs(published_runs)}
    errors = load_errors(runs)
    pairs = rank_pairs(errors, class_counts(runs))
    groups = [group.classes for group in class_groups()]
    whole = count_matrix(pairs, groups, groups)
    assert whole.sum() == len(errors)
    place = [group.name for group in class_groups()].index("terrier")
    inside = [[index] for index in groups[place]]
    assert count_matrix(pairs, inside, inside).sum() == whole[place, place]
    assert count_matrix(pairs, inside, groups).sum(axis=0).tolist() == whole[place].tolist()
    by_chance = whole.sum(axis=1) @ whole.sum(axis=0) / whole.sum()
    assert whole.diagonal().sum() > 5 * by_chance, "models confuse within the groups more than across them"


@pytest.mark.parametrize("groups", [[[0, 1], [1]], [[0, 0]]])
def test_a_class_in_two_groups_is_refused(groups: Groups) -> None:
    pairs = pd.DataFrame({"label": [0], "predicted": [1], "count": [1]})
    for rows, columns in ((groups, [[1]]), ([[1]], groups)):
        with pytest.raises(UsageError, match="in two groups"):
            count_matrix(pairs, rows, columns)


@pytest.mark.parametrize("index", [-1, 1000])
def test_what_is_no_class_is_refused(index: int) -> None:
    pairs = pd.DataFrame({"label": [0], "predicted": [1], "count": [1]})
    with pytest.raises(UsageError, match="numbered 0 to 999"):
        count_matrix(pairs, [[index]], [[1]])
