"""What an ablation decides: against scipy's analysis of variance, and by planted differences."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from repro.analysis.ablation import (
    ALIKE,
    BASELINE,
    CLAIMS,
    Comparison,
    Decision,
    Outcome,
    Relation,
    study_ablation,
)
from repro.architecture import TABLE5
from repro.catalogue.table5 import printed_top1
from repro.exceptions import InvalidRun

N = 10_000


def outcomes(accuracies: dict[str, float], n_seeds: int, scatter: float = 0.004) -> list[Outcome]:
    random = np.random.default_rng(0)
    shared = random.normal(0, 0.01, n_seeds)
    return [
        Outcome(
            row, seed, round(N * (mean + shared[seed] + random.normal(0, scatter))), N, 1_000, False, 60.0
        )
        for seed in range(n_seeds)
        for row, mean in accuracies.items()
    ]


LEARNING = {BASELINE: 0.60, "identity mapping": 0.55, "pool 5": 0.60, "layer norm": 0.57, "ReLU": 0.58}


def test_scatter_is_the_residual_of_a_two_way_analysis_of_variance() -> None:
    found = outcomes(LEARNING, 4)
    study = study_ablation(found, chance=0.1)
    table = np.array([[o.accuracy for o in found if o.row == row] for row in LEARNING])  # (rows, seeds)
    left = table - table.mean(1, keepdims=True) - table.mean(0, keepdims=True) + table.mean()
    freedom = (table.shape[0] - 1) * (table.shape[1] - 1)
    assert study.scatter
    assert study.scatter.freedom == freedom
    assert study.scatter.deviation == pytest.approx(np.sqrt((left**2).sum() / freedom))
    difference, interval = study.differences["layer norm"]
    assert difference == pytest.approx((table[3] - table[0]).mean())
    reach = stats.t.ppf(0.975, freedom) * study.scatter.deviation * np.sqrt(2 / 4)
    assert interval == pytest.approx((difference - reach, difference + reach))


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    random = np.random.default_rng(1)
    covered = n = 0
    for _ in range(300):
        found = [
            Outcome(row, seed, round(N * (mean + shared + random.normal(0, 0.005))), N, 1, False, 1.0)
            for seed, shared in enumerate(random.normal(0, 0.02, 3))
            for row, mean in LEARNING.items()
        ]
        study = study_ablation(found, 0.1)
        for row, (_, interval) in study.differences.items():
            assert interval
            covered += interval[0] <= LEARNING[row] - LEARNING[BASELINE] <= interval[1]
            n += 1
    assert 0.92 < covered / n < 0.98


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


def test_what_is_too_near_is_not_decided() -> None:
    found = decisions(outcomes(dict.fromkeys(TABLE5, 0.6), 2, scatter=0.02))
    assert found[Comparison(BASELINE, Relation.ALIKE, "SiLU")] is Decision.UNDECIDED
    undecided = [decision for decision in found.values() if decision is Decision.UNDECIDED]
    assert len(undecided) > len(found) / 2


def test_one_seed_decides_nothing() -> None:
    study = study_ablation(outcomes({**LEARNING, "no norm": 0.1}, 1), chance=0.1)
    assert study.scatter is None
    assert all(row.interval is None for row in study.rows)
    assert {one.decision for _, decided in study.claims for one in decided} == {Decision.UNDECIDED}


def test_a_claim_holds_where_all_its_comparisons_do() -> None:
    study = study_ablation(outcomes(LEARNING, 3), 0.1)
    _, decided = study.claims[0] if study.claims else ((), ())
    one = decided[0]
    verdicts = {
        (Decision.HOLDS, Decision.HOLDS): Decision.HOLDS,
        (Decision.HOLDS, Decision.UNDECIDED): Decision.UNDECIDED,
        (Decision.UNDECIDED, Decision.CONTRADICTED): Decision.CONTRADICTED,
    }
    for given, expected in verdicts.items():
        cases = [type(one)(one.comparison, 0.0, None, decision) for decision in given]
        assert study.verdict(cases) is expected


def test_collapsed_rows_do_not_move_the_scatter() -> None:
    plain = study_ablation(outcomes(LEARNING, 3), 0.1)
    collapsed = [Outcome("no norm", seed, 1000 + 300 * seed, N, 1, True, 1.0) for seed in range(3)]
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
