"""Orders of models over seeds, by planted differences."""

from __future__ import annotations

import numpy as np
import pytest

from repro.analysis.size_in_context import ADDED, Answered, Order, study_sizes
from repro.exceptions import InvalidRun


def answered(accuracies: dict[str, float], n_seeds: int, condition: str = "test") -> list[Answered]:
    random = np.random.default_rng(0)
    return [
        Answered(model, seed, condition, round(1000 * (accuracy + random.normal(0, 0.005))), 1000)
        for seed in range(n_seeds)
        for model, accuracy in accuracies.items()
    ]


def test_planted_differences_are_found() -> None:
    result = study_sizes(answered({"pooling": 0.6, "identity": 0.5, "attention": 0.6}, 5))
    orders = {(one.first, one.second): one.order for one in result.compared}
    assert orders == {
        ("pooling", "identity"): Order.MORE,
        ("pooling", "attention"): Order.UNDECIDED,
        ("identity", "attention"): Order.LESS,
    }
    cell = result.cells["test"]["pooling"]
    assert cell.interval
    assert cell.interval[0] < 0.6 < cell.interval[1]


def test_controls_and_probes_are_shown_and_not_compared() -> None:
    result = study_sizes(answered({"pooling": 0.3, "identity": 0.9}, 2, "object alone"))
    assert result.cells["object alone"].keys() == {"pooling", "identity"}
    assert not result.compared


def test_what_the_object_adds_is_the_test_less_the_surroundings_alone() -> None:
    found = [Answered("pooling", seed, "test", 700 + 10 * seed, 1000) for seed in range(3)]
    found += [Answered("pooling", seed, "surroundings alone", 500 - 10 * seed, 1000) for seed in range(2)]
    cell = study_sizes(found).cells[ADDED]["pooling"]
    assert cell.accuracy == pytest.approx(0.21)  # 0.20 and 0.22: the third seed was not asked both
    assert cell.n_seeds == 2


def test_models_are_compared_over_their_common_seeds() -> None:
    """A seed that one model alone had, and did badly with, says nothing of the difference."""
    rights = {("pooling", 0): 600, ("pooling", 1): 620, ("pooling", 2): 300}
    rights |= {("identity", 0): 580, ("identity", 1): 600}
    result = study_sizes([Answered(model, seed, "test", n, 1000) for (model, seed), n in rights.items()])
    (compared,) = result.compared
    assert compared.difference == pytest.approx(0.02)


def test_one_seed_decides_nothing() -> None:
    result = study_sizes(answered({"pooling": 0.3, "identity": 0.9}, 1))
    assert [one.order for one in result.compared] == [Order.UNDECIDED]
    assert result.cells["test"]["pooling"].interval is None


def test_models_without_a_common_seed_are_not_compared() -> None:
    """While trainings run side by side, a later seed may be done first."""
    both = answered({"pooling": 0.3, "identity": 0.9}, 2)
    result = study_sizes([one for one in both if (one.model == "pooling") == (one.seed == 1)])
    assert result.cells["test"].keys() == {"pooling", "identity"}
    assert not result.compared


def test_nothing_trained_is_refused() -> None:
    with pytest.raises(InvalidRun, match="nothing was trained"):
        study_sizes([])
