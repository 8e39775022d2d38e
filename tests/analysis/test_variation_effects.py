"""Paired statistics against formulas written down anew, exact enumeration and known answers."""

from __future__ import annotations

from fractions import Fraction
from math import comb, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.analysis.statistics import holm, paired_difference
from repro.analysis.variation_effects import (
    NO_PREDICTION,
    Effect,
    EffectVerdict,
    Gap,
    judge_effects,
    measure_effects,
)
from repro.exceptions import InvalidRun

tables = st.tuples(*[st.integers(0, 400)] * 4).filter(lambda cells: sum(cells) > 0)
p_values = st.lists(st.floats(0, 1), min_size=1, max_size=30)


@given(tables)
def test_the_interval_is_walds_on_a_table_with_half_an_image_more_in_every_cell(cells):
    both, only_a, only_b, neither = (cell + 0.5 for cell in cells)
    n = both + only_a + only_b + neither
    p_a, p_b = only_a / n, only_b / n
    centre, error = p_a - p_b, sqrt((p_a * (1 - p_a) + p_b * (1 - p_b) + 2 * p_a * p_b) / n)
    found = paired_difference(cells[1], cells[2], sum(cells))
    expected = max(centre - 1.959963985 * error, -1), min(centre + 1.959963985 * error, 1)
    assert (found.low, found.high) == pytest.approx(expected, abs=1e-9)
    assert found.low <= found.difference <= found.high
    assert found.difference == pytest.approx(float(Fraction(cells[1] - cells[2], sum(cells))))


@pytest.mark.parametrize(("p_a", "p_b"), [(0.02, 0.02), (0.1, 0.04), (0.3, 0.1), (0.01, 0.0)])
def test_the_interval_covers_the_truth_as_often_as_it_says(p_a, p_b):
    """Every outcome of 60 images with its probability: no simulation."""
    n, covered = 60, 0.0
    for a in range(n + 1):
        for b in range(n + 1 - a):
            found = paired_difference(a, b, n)
            if found.low <= p_a - p_b <= found.high:
                covered += comb(n, a) * comb(n - a, b) * p_a**a * p_b**b * (1 - p_a - p_b) ** (n - a - b)
    assert 0.93 < covered <= 1


@given(st.integers(0, 60), st.integers(0, 60))
def test_p_is_mcnemars_exact_one(only_a, only_b):
    m, extreme = only_a + only_b, min(only_a, only_b)
    tail = sum(comb(m, i) for i in range(extreme + 1))
    expected = min(Fraction(2 * tail, 2**m), Fraction(1))
    assert paired_difference(only_a, only_b, 200).p == pytest.approx(float(expected))


def test_no_images_no_difference():
    with pytest.raises(InvalidRun, match="no image was scored"):
        paired_difference(0, 0, 0)


def test_holm_as_r_corrects():
    # p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


@given(p_values)
def test_holm_lies_between_none_and_bonferroni_and_keeps_the_order(ps):
    corrected = holm(ps)
    assert all(p <= q <= min(1, len(ps) * p) + 1e-12 for p, q in zip(ps, corrected, strict=True))
    order = np.argsort(ps, kind="stable")
    assert np.all(np.diff(np.array(corrected)[order]) >= 0)
    assert corrected[order[0]] == pytest.approx(min(1, len(ps) * min(ps)))


def test_effects_are_counted_image_by_image():
    labels, own = np.array([1, 2, 3, 4, 5]), np.array([1, 2, 0, 0, 5])
    varied = {"same": own, "other": np.array([1, 0, 3, 7, NO_PREDICTION])}
    same, other = measure_effects(labels, own, varied)
    assert (same.n_changed, same.n_gained, same.n_lost, same.paired.difference) == (0, 0, 0, 0)
    assert (other.n_changed, other.n_gained, other.n_lost) == (4, 1, 2)
    assert other.paired.difference == pytest.approx(-0.2)
    assert (same.p_corrected, other.p_corrected) == (1.0, 1.0)


def effect_of(n_gained: int, n_lost: int, n: int = 1000, tries: int = 1) -> Effect:
    paired = paired_difference(n_gained, n_lost, n)
    return Effect("it", n, n_gained + n_lost, n_gained, n_lost, paired, min(1.0, tries * paired.p))


@pytest.mark.parametrize(
    ("effect", "gap", "verdict"),
    [
        (effect_of(60, 20), Gap(0.035, 0.036), EffectVerdict.EXPLAINS),
        (effect_of(20, 60), Gap(-0.036, -0.035), EffectVerdict.EXPLAINS),
        (effect_of(40, 10), Gap(0.10, 0.101), EffectVerdict.PART),
        (effect_of(200, 20), Gap(0.02, 0.021), EffectVerdict.TOO_MUCH),
        (effect_of(20, 60), Gap(0.02, 0.021), EffectVerdict.CANNOT),  # the other way
        (effect_of(5, 5), Gap(0.05, 0.051), EffectVerdict.CANNOT),
        (effect_of(5, 5), Gap(0.005, 0.006), EffectVerdict.TOO_FEW),
        (effect_of(15, 4), Gap(0.01, 0.011), EffectVerdict.EXPLAINS),
        (effect_of(15, 4, tries=25), Gap(0.01, 0.011), EffectVerdict.TOO_FEW),  # chance, of 25 tries
        (effect_of(60, 20), Gap(0.02, 0.08), EffectVerdict.EXPLAINS),  # a gap with a sampling error
        (effect_of(60, 20), None, EffectVerdict.MOVES),
        (effect_of(20, 60), None, EffectVerdict.MOVES),
        (effect_of(5, 5), None, EffectVerdict.NOTHING_SEEN),
    ],
)
def test_verdicts(effect, gap, verdict):
    (judged,) = judge_effects([effect], gap)
    assert judged.verdict is verdict


def test_on_all_images_none_are_too_few():
    (judged,) = judge_effects([effect_of(5, 5)], Gap(0.005, 0.006), whole=True)
    assert judged.verdict == "not shown on all images"


def test_what_an_effect_can_be_at_most_is_told_in_the_gaps_direction():
    effect = effect_of(30, 10)
    (up,), (down,) = (judge_effects([effect], gap) for gap in (Gap(0.2, 0.21), Gap(-0.21, -0.2)))
    assert (up.at_most, down.at_most) == (effect.paired.high, -effect.paired.low)
    assert down.at_most < 0


def test_what_explains_most_stands_first():
    gap = Gap(0.04, 0.041)
    effects = [effect_of(5, 5), effect_of(80, 30), effect_of(60, 20), effect_of(28, 8)]
    found = [(one.verdict, one.effect.n_gained) for one in judge_effects(effects, gap)]
    assert found == [
        (EffectVerdict.EXPLAINS, 60),
        (EffectVerdict.EXPLAINS, 80),
        (EffectVerdict.PART, 28),
        (EffectVerdict.CANNOT, 5),
    ]
