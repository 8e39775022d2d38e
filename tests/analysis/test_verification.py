"""What images evaluated in a random order decide, on sets whose differences are known."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from repro.analysis.sequential import Region, Side
from repro.analysis.verification import Decision, PairFinding, Rights, excludes, region_of, verify
from repro.catalogue.questions import Question
from repro.exceptions import UsageError

N = 4000


def rights_of(accuracies: dict[str, float], discordant: float = 0.0) -> Rights:
    """In a random order: each model has a share of the images right, `discordant` of them it alone."""
    places, own = np.random.default_rng(3).permutation(N), round(N * discordant)
    rights = {}
    for i, (model, accuracy) in enumerate(accuracies.items()):
        shared = places < round(N * accuracy) - own
        rights[model] = shared | ((places >= N - (i + 1) * own) & (places < N - i * own))
        assert rights[model].sum() == round(N * accuracy)
    return rights


def first(rights: Rights, n: int) -> Rights:
    return {model: right[:n] for model, right in rights.items()}


def ordering(*models: str) -> Question:
    return Question("q", "", models)


def claim(stated: str, within: str | None = None) -> Question:
    return Question("q", "", ("a", "b"), Decimal(stated), within and Decimal(within))


@pytest.mark.parametrize(
    ("question", "decision"),
    [
        (ordering("a", "b"), Decision.HOLDS),
        (ordering("b", "a"), Decision.REFUTED),
        (ordering("a", "b", "c"), Decision.HOLDS),
        (ordering("a", "c", "b"), Decision.REFUTED),
        (claim("9.9"), Decision.HOLDS),
        (claim("5.0", "2"), Decision.HOLDS),
        (claim("9.0", "2"), Decision.REFUTED),
        (claim("1.0", "2"), Decision.REFUTED),
    ],
)
def test_a_clear_difference_is_decided_early(question: Question, decision: Decision) -> None:
    rights = rights_of({"a": 0.75, "b": 0.70, "c": 0.60}, discordant=0.02)
    found = verify(question, rights, N, 0.05)
    assert found is not None
    assert (found.decision, found.n) == (decision, N)
    assert found.n_used < N
    assert verify(question, first(rights, found.n_used), N, 0.05) == found
    assert verify(question, first(rights, found.n_used - 1), N, 0.05) is None


def test_a_tie_refutes_an_ordering_once_all_images_are_seen() -> None:
    found = verify(ordering("a", "b"), rights_of({"a": 0.7, "b": 0.7}, 0.05), N, 0.05)
    assert found is not None
    assert (found.decision, found.n_used) == (Decision.REFUTED, N)
    (pair,) = found.pairs
    assert (pair.side, pair.low, pair.high) == (Side.INSIDE, 0, 0)


def test_the_pairs_of_an_ordering_share_the_error_probability() -> None:
    rights = rights_of({"a": 0.75, "b": 0.70, "c": 0.60})
    found = verify(ordering("a", "b", "c"), rights, N, 0.05)
    assert found is not None
    assert [pair.alpha for pair in found.pairs] == [0.025, 0.025]
    alone = [verify(ordering(*pair), rights, N, 0.025) for pair in (("a", "b"), ("b", "c"))]
    assert found.n_used == max(one.n_used for one in alone if one)


def test_an_ordering_is_refuted_by_one_pair_while_another_is_open() -> None:
    rights = rights_of({"a": 0.71, "b": 0.70, "c": 0.90}, 0.02)
    found = verify(ordering("a", "b", "c"), rights, N, 0.05)
    assert found is not None and found.decision is Decision.REFUTED
    assert [pair.side for pair in found.pairs] == [None, Side.BELOW]
    assert found.pairs[0].low < 0 < found.pairs[0].high


@pytest.mark.parametrize(("stated", "gone"), [("5.0", False), ("0.5", False), ("20", True), ("-0.3", True)])
def test_a_stated_size_that_is_excluded(stated: str, gone: bool) -> None:
    found = verify(claim(stated), rights_of({"a": 0.75, "b": 0.70}, 0.02), N, 0.05)
    assert found is not None
    (pair,) = found.pairs
    assert pair.low <= 0.05 <= pair.high
    assert excludes(pair, Decimal(stated)) == gone


def test_the_digits_of_a_stated_size_are_its_tolerance() -> None:
    finding = PairFinding("a", "b", 0.05, Side.INSIDE, n_used=N, low=0.05, high=0.05)
    told = {
        digits: excludes(finding, Decimal(digits)) for digits in ("5", "5.0", "5.1", "4.9", "5.4", "4.96")
    }
    assert told == {"5": False, "5.0": False, "5.1": True, "4.9": True, "5.4": True, "4.96": True}
    # 225 of 50,000 images are 0.45 points, whose digits may be printed as 0.4 and as 0.5.
    border = PairFinding("a", "b", 0.0045, Side.INSIDE, n_used=N, low=225 / 50_000, high=225 / 50_000)
    assert not excludes(border, Decimal("0.4")) and not excludes(border, Decimal("0.5"))


@pytest.mark.parametrize(
    ("n", "region"), [(50_000, Region(150, 350)), (1000, Region(3, 7)), (150, Region(1, 1))]
)
def test_a_margin_is_counted_in_images_exactly(n: int, region: Region) -> None:
    assert region_of(claim("0.5", "0.2"), n) == region


def test_a_margin_between_two_images_is_refused() -> None:
    with pytest.raises(
        UsageError, match=r"no difference that 20 images can show.*one image is 5\.00 points"
    ) as e:
        region_of(claim("0.5", "0.2"), 20)
    margin = Decimal(e.value.hint.split()[1])
    region_of(claim("0.5", str(margin)), 20)
