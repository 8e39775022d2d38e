"""Every claim of the talk and of the abstracts has its verdict, with runs and without."""

import pytest

from repro.analysis.claim_verdict import ClaimVerdict
from repro.catalogue.claim_files import load_sources
from repro.catalogue.claims import CountedClaim, ValueClaim
from repro.catalogue.models import find_model, load_models, published_by_timm
from repro.exceptions import UsageError
from tests.analysis.ledgers import WITHOUT_RUNS, changed, ledger_of
from tests.analysis.records import run_of

V = ClaimVerdict


def top1_runs(**corrects):
    return [run_of(model, correct) for model, correct in corrects.items()]


# What the published figures say, as images of 50,000; DeiT's at the authors' crop.
GOOD = {
    "poolformer_s24": 40_147,
    "poolformer_m36": 41_052,
    "deit_s": 39_926,
    "deit_b": 40_923,
    "resmlp_s24": 39_690,
    "resmlp_b24": 40_517,
    "rsb_resnet34": 37_760,
}

# id: verdict without runs, and after all that can run gave the published figures.
EXPECTED = {
    "talk-12-macs-deit": (V.OTHER_BASE, V.OTHER_BASE),
    "talk-12-top1-deit": (V.NOT_RUN, V.HOLDS),
    "talk-12-params-resmlp": (V.OTHER_BASE, V.OTHER_BASE),
    "talk-12-macs-resmlp": (V.OTHER_BASE, V.OTHER_BASE),
    "talk-12-top1-resmlp": (V.NOT_RUN, V.HOLDS),
    "talk-14-identity": (V.NEEDS_TRAINING, V.NEEDS_TRAINING),
    "talk-14-pooling-size": (V.NEEDS_TRAINING, V.NEEDS_TRAINING),
    "talk-14-normalisation": (V.NEEDS_TRAINING, V.NEEDS_TRAINING),
    "talk-14-activation": (V.NEEDS_TRAINING, V.NEEDS_TRAINING),
    "talk-14-hybrid": (V.NEEDS_TRAINING, V.NEEDS_TRAINING),
    "talk-15-context": (V.STUDY, V.STUDY),
    "talk-15-shape": (V.STUDY, V.STUDY),
    "talk-15-size": (V.STUDY, V.STUDY),
    "talk-19-top1-resnet": (V.NOT_RUN, V.HOLDS),
    "talk-19-params-resnet": (V.HOLDS, V.HOLDS),
    "talk-19-macs-resnet": (V.HOLDS, V.HOLDS),
    "talk-12-deit_s-params": (V.HOLDS, V.HOLDS),
    "talk-12-deit_s-macs": (V.HOLDS, V.HOLDS),
    "talk-12-deit_s-top1": (V.NOT_RUN, V.HOLDS),
    "talk-12-resmlp_s24-params": (V.HOLDS, V.HOLDS),
    "talk-12-resmlp_s24-macs": (V.HOLDS, V.HOLDS),
    "talk-12-resmlp_s24-top1": (V.NOT_RUN, V.HOLDS),
    "talk-12-poolformer_s24-params": (V.HOLDS, V.HOLDS),
    "talk-12-poolformer_s24-macs": (V.SUPERSEDED, V.SUPERSEDED),
    "talk-12-poolformer_s24-top1": (V.NOT_RUN, V.HOLDS),
    "talk-19-rsb_resnet34-params": (V.HOLDS, V.HOLDS),
    "talk-19-rsb_resnet34-macs": (V.HOLDS, V.HOLDS),
    "talk-19-rsb_resnet34-top1": (V.NOT_RUN, V.HOLDS),
    "talk-19-poolformer_s24-params": (V.HOLDS, V.HOLDS),
    "talk-19-poolformer_s24-macs": (V.SUPERSEDED, V.SUPERSEDED),
    "talk-19-poolformer_s24-top1": (V.NOT_RUN, V.HOLDS),
    "paper-abstract-m36-top1": (V.NOT_RUN, V.HOLDS),
    "paper-abstract-top1-deit": (V.NOT_RUN, V.HOLDS),
    "paper-abstract-params-deit": (V.HOLDS, V.HOLDS),
    "paper-abstract-macs-deit": (V.HOLDS, V.HOLDS),
    "paper-abstract-top1-resmlp": (V.NOT_RUN, V.WRONG_NETWORK),
    "paper-abstract-params-resmlp": (V.WRONG_NETWORK, V.WRONG_NETWORK),
    "paper-abstract-macs-resmlp": (V.WRONG_NETWORK, V.WRONG_NETWORK),
    "paper-text-macs-deit": (V.HOLDS, V.HOLDS),
    "paper-text-params-resmlp": (V.HOLDS, V.HOLDS),
    "paper-text-macs-resmlp": (V.HOLDS, V.HOLDS),
    "paper-text-identity": (V.NEEDS_TRAINING, V.NEEDS_TRAINING),
    "paper-contradiction-ade20k": (V.CONTRADICTION, V.CONTRADICTION),
    "paper-contradiction-learning-rate": (V.CONTRADICTION, V.CONTRADICTION),
    "paper-contradiction-dims": (V.CONTRADICTION, V.CONTRADICTION),
    "paper-contradiction-augmentation": (V.CONTRADICTION, V.CONTRADICTION),
    "paper-contradiction-rounding": (V.CONTRADICTION, V.CONTRADICTION),
    "paper-v1-abstract-macs-deit": (V.SUPERSEDED, V.SUPERSEDED),
    "paper-v1-abstract-macs-resmlp": (V.SUPERSEDED, V.SUPERSEDED),
    "paper-middle-abstract-macs-deit": (V.SUPERSEDED, V.SUPERSEDED),
    "paper-middle-abstract-macs-resmlp": (V.SUPERSEDED, V.SUPERSEDED),
}


@pytest.mark.parametrize("claim", EXPECTED)
def test_every_claim_of_talk_and_abstracts(claim):
    with_runs = ledger_of(*top1_runs(**GOOD))
    found = tuple(ledger.find(claim).finding.verdict for ledger in (WITHOUT_RUNS, with_runs))
    assert found == EXPECTED[claim]


def test_none_of_their_claims_is_missing_above():
    sentences = ("talk-", "-abstract-", "-text-", "-contradiction-")
    ids = [e.claim.id for e in WITHOUT_RUNS.entries if any(part in e.claim.id for part in sentences)]
    assert set(ids) == EXPECTED.keys()


@pytest.mark.parametrize("runs", [(), top1_runs(**GOOD)], ids=["no runs", "runs"])
def test_counts_by_verdict_add_up_and_every_verdict_has_a_reason(runs):
    ledger = ledger_of(*runs)
    assert sum(ledger.counts.values()) == len(ledger.entries) == 500
    assert sum(len(source.claims) for source in load_sources()) == len(ledger.entries)
    assert all(entry.finding.reason for entry in ledger.entries)
    for key in ("paper", "talk", "paper-v1", "paper-middle", "baselines"):
        part = ledger.of_source(key)
        assert sum(part.counts.values()) == len(part.entries) > 0


def test_without_runs_only_accuracy_waits():
    """Arithmetic, Params and MACs are settled; what is not run yet names the models that settle it."""
    for entry in WITHOUT_RUNS.entries:
        waits = entry.finding.verdict is V.NOT_RUN
        assert waits == bool(entry.finding.models), entry.claim.id
        if waits:
            assert entry.claim.quantity == "top1_pct"
            assert "repro eval --models " in entry.finding.reason


def test_every_count_of_the_first_paper_but_two_models_holds():
    counts = [
        entry
        for entry in WITHOUT_RUNS.of_source("paper").entries
        if isinstance(entry.claim, ValueClaim | CountedClaim) and entry.claim.quantity != "top1_pct"
    ]
    by_verdict = {verdict: [e for e in counts if e.finding.verdict is verdict] for verdict in V}
    assert {e.claim.row.model for e in by_verdict[V.DIFFERS]} == {"vit_l16", "resmlp_b24"}
    outside = {e.claim.row.model for e in by_verdict[V.OUTSIDE]}
    assert all(find_model(model).unavailable == "not in timm" for model in outside)
    assert len(by_verdict[V.HOLDS]) + 2 * 2 + 2 * len(outside) == len(counts)


def test_a_count_that_rounds_otherwise_than_printed_says_so():
    said = {
        entry.claim.id: entry.finding.right
        for entry in WITHOUT_RUNS.entries
        if isinstance(entry.claim, CountedClaim) and entry.finding.right
    }
    told = "2.6 if rounded; 2.5 is what is left when it is cut off"
    assert said == {"paper-t5-pool-pool-attention-attention-macs": told}


def test_the_second_papers_counts_hold_by_torchs_convention():
    ledger = WITHOUT_RUNS.of_source("baselines")
    assert ledger.counts == {V.HOLDS: 99, V.NOT_RUN: 47}


TOP1 = "talk-12-top1-deit"
ACCURACY = {
    "both the same": (GOOD, V.HOLDS, "measured: 80.294 − 79.852 = 0.442 points"),
    "one is missing": (
        {"deit_s": 39_926},
        V.NOT_RUN,
        "as printed 80.3 − 79.8 = 0.5; repro eval --models poolformer_s24 --data IMAGENET",
    ),
    "one differs": (
        GOOD | {"deit_s": 39_000},
        V.DIFFERS,
        "as printed 80.3 − 79.8 = 0.5; 78.000 % measured: 1.750 points below 79.8",
    ),
    "both reproduced, the difference is not": (
        {"poolformer_s24": 40_075, "deit_s": 39_970},
        V.DIFFERS,
        "measured: 80.150 − 79.940 = 0.210 points",
    ),
}


@pytest.mark.parametrize(("corrects", "verdict", "reason"), ACCURACY.values(), ids=ACCURACY)
def test_a_difference_of_accuracies(corrects, verdict, reason):
    finding = ledger_of(*top1_runs(**corrects)).find(TOP1).finding
    assert (finding.verdict, finding.reason) == (verdict, reason)


def test_a_partial_run_settles_nothing():
    finding = ledger_of(run_of("deit_s", 798, n=1000)).find("talk-12-deit_s-top1").finding
    assert (finding.verdict, finding.models) == (V.NOT_RUN, ("deit_s",))
    assert finding.reason.startswith("its run settles nothing: NOT COMPARABLE, 1,000 of 50,000 images")


def test_an_invalid_run_settles_nothing():
    run = run_of("deit_s", 39_926, invalid="2 images missing (a, b)")
    finding = ledger_of(run).find("talk-12-deit_s-top1").finding
    assert finding.verdict is V.NOT_RUN
    assert finding.reason.endswith("INVALID, 2 images missing (a, b)")


def test_the_resmlp_b24_row_cannot_pass_on_accuracy_alone():
    ledger = ledger_of(*top1_runs(**GOOD))
    findings = {q: ledger.find(f"paper-t2-resmlp_b24-{q}").finding for q in ("params", "macs", "top1")}
    assert {q: f.verdict for q, f in findings.items()} == {
        "params": V.DIFFERS,
        "macs": V.DIFFERS,
        "top1": V.WRONG_NETWORK,
    }
    assert findings["top1"].reason.startswith("81.034 % measured, but the released weights are patch 8")


def test_what_cannot_be_run_says_why():
    for model, verdict in (("vit_b16", V.NOT_PUBLIC), ("pvt_tiny", V.OUTSIDE), ("gmlp_b", V.NOT_PUBLIC)):
        finding = WITHOUT_RUNS.find(f"paper-t2-{model}-top1").finding
        assert finding.verdict is verdict
        assert find_model(model).unavailable in finding.reason


def test_after_everything_ran_nothing_waits_but_what_nobody_published():
    published = {s.name: published_by_timm().get(s.tag or "", {}).get("imagenet_top1") for s in load_models()}
    runs = [run_of(name, GOOD.get(name, round(top1 * 500))) for name, top1 in published.items() if top1]
    ledger = ledger_of(*runs)
    assert V.NOT_RUN not in ledger.of_source("paper").counts
    assert V.NOT_RUN not in ledger.of_source("talk").counts
    assert ledger.of_source("talk").command == ""


def test_the_next_command_settles_what_waits():
    command = WITHOUT_RUNS.of_source("talk").command
    assert command.startswith("repro eval --models ")
    assert set(command.split()[3].split(",")) == {"deit_s", "resmlp_s24", "poolformer_s24", "rsb_resnet34"}
    # More models than a command may name: the first claim's, whose weights nobody fetches.
    command = "repro eval --models identityformer_s12 --data IMAGENET --weights identityformer_s12=FILE"
    assert WITHOUT_RUNS.of_source("baselines").command == command


def test_an_ordering_that_its_own_numbers_refute_differs():
    finding = changed("talk-14-activation", order="ReLU > baseline = SiLU")
    assert (finding.verdict, finding.reason) == (V.DIFFERS, "Table 5: ReLU 76.4 is not > baseline 77.2")


def test_a_difference_that_its_own_numbers_refute_differs():
    finding = changed(TOP1, stated="0.6")
    assert (finding.verdict, finding.reason) == (V.DIFFERS, "as printed 80.3 − 79.8 = 0.5, not 0.6")


def test_places_that_agree_are_no_contradiction():
    places = {"the text": "4e-4", "Table 6": "0.0004"}
    finding = changed("paper-contradiction-learning-rate", "metaformer.toml", places=places)
    assert finding.verdict is V.HOLDS


def test_unknown_names_are_told_with_the_nearest():
    with pytest.raises(UsageError, match="did you mean talk-12-macs-deit"):
        WITHOUT_RUNS.find("talk-12-macs-deits")
    with pytest.raises(UsageError, match="there are paper, baselines, paper-middle, paper-v1, talk"):
        WITHOUT_RUNS.of_source("slides")
