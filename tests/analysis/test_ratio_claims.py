"""Which base makes a percentage true, and what follows from a description: exact arithmetic."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.analysis.bases import implied_values, readings
from repro.analysis.claim_verdict import ClaimVerdict
from repro.catalogue.models import find_model
from tests.analysis.ledgers import WITHOUT_RUNS, changed

V = ClaimVerdict

BASES = {
    "talk-12-macs-deit": (
        "4.6/3.6 − 1 = 27.8 %",
        "PoolFormer-S24 needs 22 % fewer MACs than DeiT-S (26 % as paper prints)",
    ),
    "talk-12-params-resmlp": (
        "30/21 − 1 = 42.9 %",
        "PoolFormer-S24 has 30 % fewer parameters than ResMLP-S24",
    ),
    "talk-12-macs-resmlp": (
        "6.0/3.6 − 1 = 66.7 %",
        "PoolFormer-S24 needs 40 % fewer MACs than ResMLP-S24 (43 % as paper prints)",
    ),
}


@pytest.mark.parametrize(("claim", "working"), BASES.items(), ids=BASES)
def test_the_base_that_was_meant_is_found_and_the_right_statement_said(claim, working):
    finding = WITHOUT_RUNS.find(claim).finding
    formula, right = working
    assert finding.reason.startswith(formula)
    assert "relative to PoolFormer-S24" in finding.reason
    assert finding.right == right


def test_other_versions_macs_stand_beside():
    finding = WITHOUT_RUNS.find("talk-12-macs-deit").finding
    assert "as paper prints 1 − 3.4/4.6 = 26.1 %" in finding.reason
    assert "as counted 1 − 3.413/4.608 = 25.9 %" in finding.reason
    stated = [step for step in finding.steps if step.endswith("← what is stated")]
    assert stated == ["as printed, relative to PoolFormer-S24: 4.6/3.6 − 1 = 27.8 % ← what is stated"]


@pytest.mark.parametrize("base", ["deit", "resmlp"])
def test_what_the_middle_version_must_have_printed(base):
    """49 % and 61 % both force PoolFormer-M36 between 8.9 and 9.0 G."""
    finding = WITHOUT_RUNS.find(f"paper-middle-abstract-macs-{base}").finding
    assert finding.reason.startswith("it takes 8.9 to 9.0 G of PoolFormer-M36")


def test_the_first_versions_macs_are_superseded_never_a_failure():
    entries = WITHOUT_RUNS.of_source("paper-v1").entries
    assert {entry.finding.verdict for entry in entries} == {V.SUPERSEDED}
    reason = WITHOUT_RUNS.find("paper-v1-t2-poolformer_s24-macs").finding.reason
    assert reason == (
        "superseded: the latest version prints 3.4; no counter tried gives 3.6; 3.413 G counted"
    )


@pytest.mark.parametrize(
    ("fewer_pct", "verdict", "words"),
    [
        ("22", V.SUPERSEDED, "1 − 3.6/4.6 = 21.7 %; the first version's count"),
        ("26", V.HOLDS, "as paper prints 1 − 3.4/4.6 = 26.1 %"),
        ("35", V.OTHER_BASE, "4.6/3.4 − 1 = 35.3 %"),
        ("50", V.DIFFERS, "neither base gives 50 %"),
    ],
)
def test_which_base_and_whose_numbers_make_a_percentage_true(fewer_pct, verdict, words):
    finding = changed("talk-12-macs-deit", fewer_pct=fewer_pct)
    assert finding.verdict is verdict
    assert words in finding.reason


numbers = st.decimals("0.1", "400", places=1)


@given(numbers, numbers, st.booleans())
def test_the_two_readings_are_one_comparison_seen_from_both_sides(subject, reference, more):
    stated, other = readings(subject, reference, more, "as printed")
    sign = 1 if more else -1
    assert (1 + sign * stated.percent / 100) * (1 - sign * other.percent / 100) == 1


@given(st.integers(1, 99), numbers, st.booleans())
def test_implied_numbers_are_those_that_give_the_percentage(percent, base, more):
    stated = Decimal(percent)
    for value in implied_values(stated, base, more):
        assert readings(value, base, more, "")[0].gives(stated)


@pytest.mark.parametrize("size", ["s12", "s24", "s36", "m36", "m48"])
def test_the_printed_architectures_give_the_counted_networks_exactly(size):
    finding = WITHOUT_RUNS.find(f"paper-t1-poolformer_{size}-architecture").finding
    assert finding.verdict is V.HOLDS
    assert f"{find_model(f'poolformer_{size}').params:,} parameters" in finding.reason


@pytest.mark.parametrize(
    "values",
    [
        {"channels": [64, 128, 320, 513]},
        {"blocks": [2, 2, 5, 2]},
        {"patches_px": [7, 3, 3, 2]},
        {"strides": [4, 2, 2, 1]},
        {"mlp_ratio": 3},
    ],
    ids=str,
)
def test_another_architecture_gives_another_network(values):
    finding = changed("paper-t1-poolformer_s12-architecture", "metaformer.toml", **values)
    assert finding.verdict is V.DIFFERS
    assert "11,915,176 are counted" in finding.reason
