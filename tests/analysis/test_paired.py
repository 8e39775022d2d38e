"""Runs beside each other: counts, calibration and corrections against independent computations."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss as sklearn_log_loss

from repro.analysis.calibration import calibration_bins, calibration_error, log_loss
from repro.analysis.paired import count_paired, differ_each
from repro.analysis.run_metrics import compare_pairs, measure_run
from repro.exceptions import InvalidRun, UsageError
from repro.results.predictions import OK, SCHEMA
from tests.analysis.rows import rows_of

ranks = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60)


def ids_of(n: int) -> list[str]:
    return [f"image_{i:03d}" for i in range(n)]


def rows_with(labels: list[int], best: list[int], p_best: list[float], p_label: list[float]) -> pa.Table:
    values = zip(ids_of(len(labels)), labels, best, p_best, p_label, strict=True)
    rows = [
        {"image_id": i, "path": i, "label": label, "status": OK, "top5": [b], "p_top5": [p], "p_label": q}
        | ({"rank": 0} if label == b else {})
        for i, label, b, p, q in values
    ]
    return pa.Table.from_pylist(rows, SCHEMA)


@given(ranks, st.randoms())
def test_counts_are_those_of_a_plain_loop_in_any_order_of_rows(pairs, random):
    ids = ids_of(len(pairs))
    first, second = (rows_of([pair[i] for pair in pairs], ids=ids) for i in (0, 1))
    order = list(range(len(pairs)))
    random.shuffle(order)
    counts = count_paired(first, second.take(pa.array(order)))
    assert counts.both == sum(a == b == 0 for a, b in pairs)
    assert counts.only_first == sum(a == 0 != b for a, b in pairs)
    assert counts.only_second == sum(b == 0 != a for a, b in pairs)
    assert counts.neither == sum(a != 0 != b for a, b in pairs)
    assert counts.n_agree == sum(a == b for a, b in pairs)  # rank r of label 0 predicts class -r
    assert counts.n == len(pairs)
    assert differ_each([counts])[0].difference == pytest.approx(
        (counts.only_first - counts.only_second) / len(pairs)
    )


def test_a_run_beside_itself_differs_in_nothing():
    rows = rows_of([0, 1, 2, 0])
    (pair,) = compare_pairs({"a": rows, "b": rows})
    assert (pair.paired.difference, pair.paired.p, pair.counts.agreement) == (0.0, 1.0, Fraction(1))


def test_runs_of_different_images_are_refused_unless_the_common_ones_are_asked_for():
    first, second = rows_of([0, 1], ids=["a", "b"]), rows_of([0, 1, 0], ids=["b", "c", "d"])
    with pytest.raises(UsageError, match="2 and 3, 1 in both; a is in one alone"):
        count_paired(first, second)
    assert count_paired(first, second, common=True).only_second == 1
    with pytest.raises(InvalidRun, match="no scored image in common"):
        count_paired(rows_of([0], ids=["a"]), rows_of([0], ids=["b"]), common=True)


@pytest.mark.parametrize("column", ["label", "sha256"])
def test_an_image_that_is_another_one_in_the_other_run_is_refused(column):
    rows = rows_of([0, 0])
    place = rows.schema.get_field_index(column)
    first = rows.set_column(
        place, rows.schema.field(column), pa.array([1, 1], pa.int16()).cast(rows.schema.types[place])
    )
    other = pa.array([1, 2], pa.int16()).cast(rows.schema.types[place])
    second = rows.set_column(place, rows.schema.field(column), other)
    with pytest.raises(UsageError, match=rf"1 have another {column} in the other run \(b"):
        count_paired(first, second)


def test_what_an_imported_run_does_not_tell_differs_from_nothing():
    told = rows_of([0, 1])
    place = told.schema.get_field_index("sha256")
    told = told.set_column(place, told.schema.field("sha256"), pa.array(["0" * 64, "1" * 64]))
    assert count_paired(told, rows_of([0, 1])).both == 1


@given(st.integers(1, 200), st.integers(0, 2**32 - 1))
def test_calibration_error_is_that_of_a_plain_loop(n, seed):
    rng = np.random.default_rng(seed)
    p = rng.uniform(0, 1, n).astype(np.float32)
    right = rng.random(n) < p
    rows = rows_with([0] * n, [0 if r else 1 for r in right], p.tolist(), p.tolist())
    bins = calibration_bins(rows)
    expected = 0.0
    edges = np.linspace(0, 1, 16)
    for low, high in pairwise(edges):
        inside = (p > low) & (p <= high) if low else p <= high
        if inside.any():
            expected += inside.mean() * abs(right[inside].mean() - p[inside].astype(float).mean())
    assert calibration_error(bins) == pytest.approx(expected, abs=1e-6)
    assert sum(b.n for b in bins) == n


def test_the_log_loss_is_sklearns():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 50)
    probabilities = rng.dirichlet(np.ones(10), 50)
    rows = rows_with(
        labels.tolist(),
        probabilities.argmax(axis=1).tolist(),
        probabilities.max(axis=1).tolist(),
        probabilities[np.arange(50), labels].tolist(),
    )
    expected = sklearn_log_loss(labels, probabilities, labels=list(range(10)))
    assert log_loss(rows) == pytest.approx(expected, rel=1e-5)


def test_a_probability_that_vanished_gives_a_finite_loss():
    assert log_loss(rows_with([0], [1], [1.0], [0.0])) == pytest.approx(-np.log(np.finfo(np.float32).tiny))


def test_what_the_rows_do_not_tell_is_none():
    rows = rows_of([0, 1], labels=[5, 6])
    bare = rows.set_column(
        rows.schema.get_field_index("p_top5"),
        rows.schema.field("p_top5"),
        pa.nulls(2, pa.list_(pa.float32())),
    )
    metrics = measure_run("r", bare)
    assert (metrics.bins, metrics.calibration_error, metrics.real) == (None, None, None)
    assert metrics.top1 == Fraction(1, 2)


def test_several_comparisons_are_corrected():
    right, wrong = [0] * 30, [0] * 22 + [1] * 8
    pairs = compare_pairs(
        {
            "a": rows_of(right, ids=ids_of(30)),
            "b": rows_of(wrong, ids=ids_of(30)),
            "c": rows_of(right, ids=ids_of(30)),
        }
    )
    assert [(p.first, p.second) for p in pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert pairs[0].paired.p == pytest.approx(2 / 2**8)
    assert [p.p_corrected for p in pairs] == pytest.approx([3 * 2 / 2**8, 1.0, 3 * 2 / 2**8])
