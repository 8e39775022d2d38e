"""Cohen's kappa against sklearn's, its interval against derivatives; what is undefined is said."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime
from math import isnan, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from repro.analysis.agreement import agreement, agreements, cohen_kappa, verdicts_by_cause
from repro.analysis.causes import CAUSES
from repro.exceptions import UsageError
from repro.results.codings import VERDICTS, Coding, Codings

WHEN = datetime(2026, 8, 1, tzinfo=UTC)


def coded(reader: str, *verdicts: str, first: int = 0) -> list[Coding]:
    return [Coding(reader, f"i{n}", 1, 2, verdict, at=WHEN) for n, verdict in enumerate(verdicts, first)]


def both(pairs: list[tuple[str, str]]) -> Codings:
    ours, theirs = zip(*pairs, strict=True) if pairs else ((), ())
    return Codings((*coded("Ada", *ours), *coded("Bob", *theirs)))


PAIRS = st.lists(st.tuples(st.sampled_from(VERDICTS), st.sampled_from(VERDICTS)), min_size=1, max_size=60)
ALIKE = st.lists(st.sampled_from(VERDICTS).map(lambda verdict: (verdict, verdict)), min_size=1, max_size=9)


@given(PAIRS | ALIKE)
def test_kappa_is_that_of_sklearn(pairs: list[tuple[str, str]]) -> None:
    found = agreement(both(pairs), "Ada", "Bob")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sklearn warns where kappa is undefined
        expected = cohen_kappa_score(*zip(*pairs, strict=True))
    if isnan(expected):
        assert (found.kappa, found.interval) == (None, None)
        assert found.undefined == f"both said {pairs[0][0]} of every error, and so would chance"
    else:
        assert found.kappa == pytest.approx(expected, abs=1e-12)
        assert not found.undefined
    assert found.n == len(pairs)
    assert found.n_same == sum(a == b for a, b in pairs)
    if found.interval:
        low, high = found.interval
        assert -1 <= low < found.kappa < high <= 1 or (low, high) in {(-1, high), (low, 1)}


@given(PAIRS)
def test_who_is_first_makes_no_difference(pairs: list[tuple[str, str]]) -> None:
    forth, back = (agreement(both(pairs), *names) for names in (("Ada", "Bob"), ("Bob", "Ada")))
    assert (forth.kappa, forth.interval) == (back.kappa, back.interval)
    assert forth.table.counts == tuple(zip(*back.table.counts, strict=True))


@given(st.lists(st.lists(st.integers(0, 40), min_size=3, max_size=3), min_size=3, max_size=3))
def test_the_interval_is_that_of_the_delta_method(counts: list[list[int]]) -> None:
    """The variance of kappa to first order, from its numerical derivative by each cell."""
    table = np.array(counts, float) + np.eye(3)
    share = table / table.sum()

    def kappa(p: np.ndarray) -> float:
        chance = p.sum(axis=1) @ p.sum(axis=0)
        return (np.trace(p) - chance) / (1 - chance)

    step = 1e-6
    slopes = np.zeros((3, 3))
    for place in np.ndindex(3, 3):
        moved = np.zeros((3, 3))
        moved[place] = step
        slopes[place] = (kappa(share + moved) - kappa(share - moved)) / (2 * step)
    variance = ((share * slopes**2).sum() - (share * slopes).sum() ** 2) / table.sum()
    found, interval = cohen_kappa(table.astype(int).tolist())
    if interval is None:
        assert variance == pytest.approx(0, abs=1e-7)
    elif interval[0] > -1:
        assert found - interval[0] == pytest.approx(1.959964 * sqrt(max(variance, 0)), abs=1e-4)


def test_agreement_in_all_has_no_interval() -> None:
    found = agreement(both([("shape", "shape"), ("size", "size")]), "Ada", "Bob")
    assert (found.kappa, found.interval, found.undefined) == (1.0, None, "")


def test_readers_of_other_images_have_no_kappa() -> None:
    codings = Codings((*coded("Ada", "shape", "size"), *coded("Bob", "shape", first=2)))
    found = agreement(codings, "Ada", "Bob")
    assert (found.kappa, found.interval, found.n) == (None, None, 0)
    assert found.undefined == "they have coded no error in common"


def test_only_the_verdicts_that_stand_count() -> None:
    log = [*coded("Ada", "shape", "size", "size"), *coded("Bob", "size", "size", ""), *coded("Bob", "shape")]
    found = agreement(Codings(tuple(log)), "Ada", "Bob")
    assert (found.n, found.n_same) == (2, 2)


def test_every_two_readers() -> None:
    log = [*coded("Ada", "shape"), *coded("Bob", "size"), *coded("Cleo", "size"), *coded("Dan", "")]
    found = [(one.first, one.second) for one in agreements(Codings(tuple(log)))]
    assert found == [("Ada", "Bob"), ("Ada", "Cleo"), ("Bob", "Cleo")]


def test_a_reader_who_has_said_nothing_is_told() -> None:
    codings = both([("shape", "size")])
    with pytest.raises(UsageError, match="no verdicts of 'Cleo'; there are Ada, Bob"):
        agreement(codings, "Ada", "Cleo")
    with pytest.raises(UsageError, match="name two readers"):
        agreement(codings, "Ada", "Ada")
    with pytest.raises(UsageError, match="nobody has coded yet"):
        agreement(Codings(()), "Ada", "Bob")


def test_verdicts_stand_beside_the_automatic_causes() -> None:
    codings = coded("Ada", "shape", "shape", "label wrong", "other")
    causes = {"i0": "shape candidate", "i1": "fine-grained", "i2": "no valid label", "x": "unexplained"}
    table = verdicts_by_cause(codings, causes)
    assert (table.rows, table.columns, table.n) == (VERDICTS, CAUSES, 3)
    counts = {
        (row, column): n
        for row, of_row in zip(table.rows, table.counts, strict=True)
        for column, n in zip(table.columns, of_row, strict=True)
        if n
    }
    assert counts == {
        ("shape", "shape candidate"): 1,
        ("shape", "fine-grained"): 1,
        ("label wrong", "no valid label"): 1,
    }
