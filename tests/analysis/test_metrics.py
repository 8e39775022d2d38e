"""The metrics against references that share no code with them."""

from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import recall_score, top_k_accuracy_score

from repro.analysis.metrics import accuracy, mean_class_accuracy, mistakes
from repro.exceptions import InvalidRun
from tests.analysis.rows import N_CLASSES, rows_of

METRICS = (accuracy, mean_class_accuracy, mistakes)

ranks_and_labels = st.lists(
    st.tuples(st.integers(0, N_CLASSES - 1), st.integers(0, N_CLASSES - 1)), min_size=1, max_size=60
)


def rows_from(pairs):
    return rows_of(
        [r for r, _ in pairs], labels=[y for _, y in pairs], ids=[f"{i:03}" for i in range(len(pairs))]
    )


@given(ranks_and_labels, st.integers(1, N_CLASSES))
def test_accuracy_is_that_of_five_lines(pairs, k):
    right = 0
    for rank, _ in pairs:
        if rank in range(k):
            right += 1
    assert accuracy(rows_from(pairs), k) == Fraction(right, len(pairs))


@given(ranks_and_labels, st.sampled_from([1, 5]))
def test_accuracy_is_sklearns(pairs, k):
    labels = [label for _, label in pairs]
    scores = np.zeros((len(pairs), N_CLASSES))
    for i, (rank, label) in enumerate(pairs):
        others = [c for c in range(N_CLASSES) if c != label]
        for place, c in enumerate([*others[:rank], label, *others[rank:]]):
            scores[i, c] = -place
    expected = top_k_accuracy_score(labels, scores, k=k, labels=range(N_CLASSES))
    assert float(accuracy(rows_from(pairs), k)) == pytest.approx(expected)


@given(ranks_and_labels)
def test_mean_class_accuracy_is_sklearns(pairs):
    labels = [label for _, label in pairs]
    predicted = [(label - rank) % N_CLASSES for rank, label in pairs]
    expected = recall_score(labels, predicted, average="macro", labels=sorted(set(labels)))
    assert float(mean_class_accuracy(rows_from(pairs))) == pytest.approx(expected)


@given(ranks_and_labels, st.integers(1, N_CLASSES - 1))
def test_more_guesses_never_hurt(pairs, k):
    rows = rows_from(pairs)
    assert accuracy(rows, k) <= accuracy(rows, k + 1)
    assert mean_class_accuracy(rows, k) <= mean_class_accuracy(rows, k + 1)


@given(ranks_and_labels.flatmap(lambda pairs: st.tuples(st.just(pairs), st.permutations(range(len(pairs))))))
def test_the_order_of_rows_does_not_matter(case):
    pairs, order = case
    rows = rows_from(pairs)
    for metric in METRICS:
        assert metric(rows.take(pa.array(order))) == metric(rows)


def test_micro_and_macro_differ_on_an_unbalanced_set():
    rows = rows_of([0] * 90 + [1] * 10, labels=[3] * 90 + [7] * 10, ids=[str(i) for i in range(100)])
    assert accuracy(rows) == Fraction(90, 100)
    assert mean_class_accuracy(rows) == Fraction(1, 2)


def test_images_without_a_prediction_count_neither_way():
    rows = rows_of([0, 1, 0], statuses=["ok", "ok", "unreadable: cut"])
    assert accuracy(rows) == Fraction(1, 2)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (rows_of([]), "none of 0 images was scored"),
        (rows_of([0], statuses=["unreadable: cut"]), "none of 1 images was scored"),
        (rows_of([0, None]), "1 of 2 scored images have no prediction"),
    ],
    ids=["empty", "unreadable", "no prediction"],
)
def test_nothing_scored_is_an_error_not_zero(metric, rows, message):
    with pytest.raises(InvalidRun, match=message):
        metric(rows)


def test_mistakes_come_most_confident_first():
    rows = rows_of([2, 0, 1, 1], labels=[5, 5, 6, 7], p_best=[0.5, 0.9, 0.75, 0.5])
    found = mistakes(rows)
    assert [m.image_id for m in found] == ["c", "a", "d"]
    assert (found[0].label, found[0].predicted, found[0].path) == (6, 5, "6/c.JPEG")
    assert (found[0].p_predicted, found[0].p_label) == (0.75, pytest.approx(0.05))


def test_mistakes_without_probabilities_come_last():
    rows = rows_of([1, 1], p_best=[0.5, 0.25])
    column = rows.schema.get_field_index("p_top5")
    rows = rows.set_column(
        column, rows.schema.field(column), pa.array([None, [0.25]], rows.schema.field(column).type)
    )
    assert [(m.image_id, m.p_predicted) for m in mistakes(rows)] == [("b", 0.25), ("a", None)]
