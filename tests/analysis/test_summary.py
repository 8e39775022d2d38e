"""Which rows may be believed, and what they add up to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.results.predictions import NON_FINITE
from repro.results.record import Summary
from repro.results.summary import recount, summarise
from tests.analysis.rows import rows_of


def test_counts():
    summary = summarise(rows_of([0, 0, 1, 4, 5]), list("abcde"))
    assert (summary.n, summary.n_scored) == (5, 5)
    assert (summary.top1_correct, summary.top5_correct) == (2, 4)
    assert summary.invalid == ""


FAULTS = {
    "missing": (rows_of([0]), "ab", "1 image missing (b)"),
    "all missing": (rows_of([]), "ab", "2 images missing (a, b)"),
    "many missing": (rows_of([0]), "adbec", "4 images missing (b, c, d, …)"),
    "doubled": (rows_of([0, 0], ids=["a", "a"]), "a", "1 image doubled (a)"),
    "doubled in the dataset": (rows_of([0]), "aa", "1 image doubled (a)"),
    "foreign": (rows_of([0, 0]), "a", "1 image not in the dataset (b)"),
    "unreadable": (rows_of([0, 0], statuses=["ok", "unreadable: cut"]), "ab", "1 image unreadable (b)"),
    "non-finite": (
        rows_of([0, 0, 0], statuses=[NON_FINITE, "ok", NON_FINITE]),
        "abc",
        "2 images with non-finite logits (a, c)",
    ),
    "unheard-of status": (rows_of([0, 0], statuses=["ok", "lost: why"]), "ab", "1 image lost (b)"),
    "no prediction": (rows_of([0, None]), "ab", "1 image without a prediction (b)"),
    "several": (rows_of([0, 0], ids=["a", "x"]), "ab", "1 image missing (b); 1 image not in the dataset (x)"),
}


@pytest.mark.parametrize(("rows", "expected", "reason"), FAULTS.values(), ids=FAULTS)
def test_faulty_rows_are_invalid_and_named(rows, expected, reason):
    assert summarise(rows, list(expected)).invalid == reason


def test_unreadable_images_may_be_allowed_and_leave_the_count():
    rows = rows_of([0, 0, 1], statuses=["ok", "unreadable: cut", "ok"])
    summary = summarise(rows, list("abc"), allow_unreadable=True)
    assert (summary.n, summary.n_scored, summary.top1_correct, summary.invalid) == (3, 2, 1, "")


@pytest.mark.parametrize(
    ("status", "reason"),
    [(NON_FINITE, "1 image with non-finite logits (a)"), ("unreadable: cut", "no image was scored")],
)
def test_what_may_never_be_allowed(status, reason):
    assert summarise(rows_of([0], statuses=[status]), ["a"], allow_unreadable=True).invalid == reason


def test_an_empty_dataset_is_invalid():
    assert summarise(rows_of([]), []).invalid == "no image was scored"


@given(st.lists(st.sampled_from("abcdefgh")), st.lists(st.sampled_from("abcdefgh")))
def test_valid_means_every_expected_image_exactly_once(scored, expected):
    summary = summarise(rows_of([0] * len(scored), ids=scored), expected)
    assert (summary.invalid == "") == (sorted(scored) == sorted(set(expected)) == sorted(expected) != [])


@pytest.mark.parametrize(
    ("ranks", "n_scored", "invalid"),
    [([0, 0, 7], 3, ""), ([0, 0], 2, "2 rows for 3 images"), ([0, 0, 0, 0], 4, "4 rows for 3 images")],
)
def test_counts_are_the_rows_whatever_the_record_says(ranks, n_scored, invalid):
    recounted = recount(Summary(3, 3, top1_correct=0, top5_correct=1), rows_of(ranks))
    assert (recounted.n, recounted.n_scored, recounted.invalid) == (3, n_scored, invalid)
    assert recounted.top1_correct == recounted.top5_correct == ranks.count(0)


def test_a_recount_forgives_nothing():
    assert recount(Summary(1, 1, 1, 1, invalid="1 image doubled (a)"), rows_of([0])).invalid
