"""The metrics against references that share no code with them."""

import csv
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import recall_score, top_k_accuracy_score
from timm.data import RealLabelsImagenet

from repro.analysis.metrics import RealCount, accuracy, mean_class_accuracy, mistakes, real_accuracy
from repro.doctor.real import RealLabels, load_real_labels
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


REAL = RealLabels(
    images=np.array([0, 0, 2, 3]),
    classes=np.array([5, 6, 1, 9]),
    labelled=np.array([True, False, True, True]),
)


def real_rows(*best, ids=None, statuses=None):
    ids = ids or [f"ILSVRC2012_val_{i:08d}" for i in range(1, len(best) + 1)]
    return pa.table(
        {
            "image_id": ids,
            "status": statuses or ["ok"] * len(best),
            "top5": pa.array(best, pa.list_(pa.int16())),
        }
    )


def test_real_accuracy_takes_any_of_an_images_labels_and_leaves_out_images_without():
    rows = real_rows([6, 1, 2, 3, 4], [6, 1, 2, 3, 4], [6, 1, 2, 3, 4], [1, 2, 3, 4, 5])
    assert real_accuracy(rows, REAL) == RealCount(correct=1, n=3, n_without=1)
    assert real_accuracy(rows, REAL, k=2) == RealCount(correct=2, n=3, n_without=1)
    assert real_accuracy(rows, REAL).accuracy == Fraction(1, 3)


def test_real_accuracy_of_what_was_not_scored_or_is_not_of_val():
    rows = real_rows([5], None, [1], ids=["ILSVRC2012_val_00000001", "ILSVRC2012_val_00000003", "sketch_0"])
    rows = rows.set_column(1, "status", pa.array(["ok", "unreadable: cut", "ok"]))
    assert real_accuracy(rows, REAL) == RealCount(correct=1, n=1, n_without=1)
    with pytest.raises(InvalidRun, match="none of 1 scored images has ReaL labels"):
        real_accuracy(rows.slice(2), REAL)
    with pytest.raises(InvalidRun, match="none of 0 scored images"):
        real_accuracy(rows.slice(0, 0), REAL)
    with pytest.raises(InvalidRun, match="no Top-5: the predictions list fewer than 5 classes"):
        real_accuracy(rows, REAL, k=5)


def test_an_image_beyond_the_fifty_thousand_has_no_labels():
    rows = real_rows([5], [5], [5], ids=[f"ILSVRC2012_val_{n:08d}" for n in (0, 1, 50_001)])
    assert real_accuracy(rows, REAL) == RealCount(correct=1, n=1, n_without=2)


@pytest.mark.parametrize(("model", "correct"), [("ResNet50", 38_855), ("ViT", 39_337)])
def test_real_accuracy_of_published_predictions(shared_data, model, correct):
    """Against timm's own evaluator, which wants all 50,000, and against a loop."""
    real = load_real_labels()
    with (shared_data / "predictions" / f"{model}.csv").open() as file:
        predicted = {row["file_name"]: int(row["predicted_class"]) for row in csv.DictReader(file)}
    ids = [name.removesuffix(".JPEG") for name in predicted]
    rows = real_rows(*([c] for c in predicted.values()), ids=ids)
    assert real_accuracy(rows, real) == RealCount(correct, 46_837, 3163)

    evaluator = RealLabelsImagenet(list(predicted), topk=(1,))
    for start in range(0, 50_000, 5000):
        labels = torch.tensor(list(predicted.values())[start : start + 5000])
        evaluator.add_result(torch.nn.functional.one_hot(labels, 1000).float())
    assert (sum(evaluator.is_correct[1]), len(evaluator.is_correct[1])) == (correct, 46_837)

    some = dict(list(predicted.items())[:1000])
    found = [c in evaluator.real_labels[n] for n, c in some.items() if evaluator.real_labels[n]]
    part = RealCount(sum(found), len(found), 1000 - len(found))
    assert real_accuracy(rows.slice(0, 1000), real) == part
