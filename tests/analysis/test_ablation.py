"""What an ablation decides, by planted differences."""

from __future__ import annotations

import numpy as np
import pytest

from repro.analysis.ablation import (
    ALIKE,
    BASELINE,
    CLAIMS,
    Comparison,
    Decided,
    Decision,
    Relation,
    decide_claim,
    study_ablation,
)
from repro.analysis.trainings import Outcome
from repro.architecture import TABLE5
from repro.catalogue.table5 import printed_top1
from repro.exceptions import InvalidRun

N = 10_000


def outcome(row: str, seed: int, n_right: int) -> Outcome:
    return Outcome(row, seed, n_right, N, 1_000, False, 60.0, "cpu", f"{row} {seed}")


def outcomes(accuracies: dict[str, float], n_seeds: int, scatter: float = 0.004) -> list[Outcome]:
    random = np.random.default_rng(0)
    shared = random.normal(0, 0.01, n_seeds)
    return [
        outcome(row, seed, round(N * (mean + shared[seed] + random.normal(0, scatter))))
        for seed in range(n_seeds)
        for row, mean in accuracies.items()
    ]


LEARNING = {BASELINE: 0.60, "identity mapping": 0.55, "pool 5": 0.60, "layer norm": 0.57, "ReLU": 0.58}


def decisions(found: list[Outcome]) -> dict[Comparison, Decision]:
    study = study_ablation(found, chance=0.1)
    return {one.comparison: one.decision for _, decided in study.claims for one in decided}


def test_planted_differences_are_decided() -> None:
    accuracies = {**dict.fromkeys(TABLE5, 0.6), "identity mapping": 0.5, "no norm": 0.1, "layer norm": 0.65}
    found = decisions(outcomes(accuracies, 8, scatter=0.002))
    assert found[Comparison("identity mapping", Relation.MORE, "no norm")] is Decision.HOLDS
    assert found[Comparison(BASELINE, Relation.MORE, "layer norm")] is Decision.CONTRADICTED
    assert found[Comparison(BASELINE, Relation.ALIKE, "SiLU")] is Decision.HOLDS
    assert found[Comparison("pool 9", Relation.NOT_MORE, BASELINE)] is Decision.HOLDS


def test_a_hybrid_is_held_to_the_row_of_its_own_norm_too() -> None:
    """What its layer norm costs is not laid to its attention."""
    hybrid = "pool pool attention attention"
    accuracies = {**dict.fromkeys(TABLE5, 0.6), "layer norm": 0.52, hybrid: 0.56}
    found = decisions(outcomes(accuracies, 8, scatter=0.002))
    assert found[Comparison(hybrid, Relation.MORE, BASELINE)] is Decision.CONTRADICTED
    assert found[Comparison(hybrid, Relation.MORE, "layer norm")] is Decision.HOLDS


def test_what_is_too_near_is_not_decided() -> None:
    found = decisions(outcomes(dict.fromkeys(TABLE5, 0.6), 3, scatter=0.02))
    assert found[Comparison(BASELINE, Relation.ALIKE, "SiLU")] is Decision.UNDECIDED
    undecided = [decision for decision in found.values() if decision is Decision.UNDECIDED]
    assert len(undecided) > len(found) / 2


@pytest.mark.parametrize("n_seeds", [1, 2])
def test_one_or_two_seeds_decide_nothing(n_seeds: int) -> None:
    study = study_ablation(outcomes({**LEARNING, "no norm": 0.1}, n_seeds), chance=0.1)
    assert study.scatter is None
    assert all(row.interval is None for row in study.rows)
    assert {one.decision for _, decided in study.claims for one in decided} == {Decision.UNDECIDED}


def test_rows_are_compared_over_their_common_seeds() -> None:
    """A seed that the baseline alone had, and did badly with, says nothing of the difference."""
    accuracies = {(BASELINE, 0): 0.60, (BASELINE, 1): 0.62, (BASELINE, 2): 0.30, ("ReLU", 0): 0.58}
    accuracies |= {("ReLU", 1): 0.60}
    found = [outcome(row, seed, round(N * a)) for (row, seed), a in accuracies.items()]
    difference, _ = study_ablation(found, chance=0.1).differences["ReLU"]
    assert difference == pytest.approx(-0.02)


def test_rows_without_a_common_seed_are_not_compared() -> None:
    """While trainings run side by side, or on several machines, a later seed may be done first."""
    found = [one for one in outcomes(LEARNING, 2) if (one.row == BASELINE) == (one.seed == 1)]
    study = study_ablation(found, 0.1)
    assert not study.differences
    assert [row.row for row in study.rows] == [one.row for one in found]
    compared = {
        (one.comparison.first, one.comparison.second) for _, decided in study.claims for one in decided
    }
    assert BASELINE not in {row for pair in compared for row in pair}


def test_a_claim_holds_where_all_its_comparisons_do() -> None:
    claim = next(claim for claim in CLAIMS if len(claim.comparisons) == 2)
    verdicts = {
        (Decision.HOLDS, Decision.HOLDS): Decision.HOLDS,
        (Decision.HOLDS, Decision.UNDECIDED): Decision.UNDECIDED,
        (Decision.UNDECIDED, Decision.CONTRADICTED): Decision.CONTRADICTED,
        (Decision.HOLDS,): Decision.UNDECIDED,  # the other was not made: a row is missing
    }
    for given, expected in verdicts.items():
        cases = [
            Decided(comparison, 0.0, None, decision)
            for comparison, decision in zip(claim.comparisons, given, strict=False)
        ]
        assert decide_claim(claim, cases) is expected


@pytest.mark.parametrize(
    ("gain", "expected"),
    [(-0.05, Decision.HOLDS), (0.0, Decision.HOLDS), (0.006, Decision.HOLDS), (0.05, Decision.CONTRADICTED)],
)
def test_not_more_is_meant_to_within_a_point(gain: float, expected: Decision) -> None:
    found = decisions(outcomes({**dict.fromkeys(TABLE5, 0.6), "pool 9": 0.6 + gain}, 8, scatter=0.001))
    assert found[Comparison("pool 9", Relation.NOT_MORE, BASELINE)] is expected


def test_collapsed_rows_do_not_move_the_scatter() -> None:
    plain = study_ablation(outcomes(LEARNING, 3), 0.1)
    collapsed = [outcome("no norm", seed, 1000 + 300 * seed) for seed in range(3)]
    assert study_ablation([*outcomes(LEARNING, 3), *collapsed], 0.1).scatter == plain.scatter


def test_every_claim_is_of_rows_of_table_5_and_true_as_printed() -> None:
    """The paper's own numbers satisfy what it says; of what is alike, to within the margin."""
    printed = printed_top1()
    assert printed.keys() == TABLE5.keys()
    for claim in CLAIMS:
        for one in claim.comparisons:
            difference = printed[one.first] - printed[one.second]
            if one.relation is Relation.MORE:
                assert difference > 0, one
            else:
                assert difference <= 100 * ALIKE, one


def test_nothing_trained_is_refused() -> None:
    with pytest.raises(InvalidRun, match="nothing was trained"):
        study_ablation([], 0.1)
