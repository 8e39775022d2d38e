"""The page of a decision says what was decided, and never more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from repro.analysis.sequential import Side
from repro.reporting.table import FORMATS
from repro.reporting.verification import interval_text, verification_table
from repro.results.record import DatasetRecord, WeightsRecord
from repro.results.verifications import VerificationRecord, VerifiedModel, VerifiedPair
from repro.specs import Protocol
from tests.reporting.snapshots import assert_snapshot

PAIR = VerifiedPair(
    "poolformer_s24", "deit_s", 0.05, Side.ABOVE, 3812, 0.00002, 0.0213, excludes_stated=False
)
RECORD = VerificationRecord(
    key="0" * 64,
    claim="talk-12-top1-deit",
    says="PoolFormer-S24 is 0.5 points more accurate than DeiT-S",
    stated="0.5",
    within="",
    decision="holds",
    n_used=3812,
    n_evaluated=3840,
    alpha=0.05,
    seed=0,
    pairs=(PAIR,),
    models=tuple(
        VerifiedModel(name, label, WeightsRecord("hub", "", "", "0" * 64, ""), Protocol(224, 0.9), "")
        for name, label in (("poolformer_s24", "PoolFormer-S24"), ("deit_s", "DeiT-S"))
    ),
    protocol_name="authors",
    dataset=DatasetRecord(
        "imagenet-val", "class folders", "/val", 50_000, 50_000, 1000, "", "folders", "d" * 64, ""
    ),
    seen={},
    machine={},
    code={},
    arguments=(),
    started="2026-08-01T12:00:00+00:00",
    seconds=1.0,
)


def page(record: VerificationRecord) -> str:
    return FORMATS["text"](verification_table(record))


def test_a_page_in_full() -> None:
    assert_snapshot("verification.txt", page(RECORD))


@pytest.mark.parametrize(
    ("side", "decision", "words"),
    [
        (Side.INSIDE, "holds", ("the size (0.5 ± 0.2 points) holds", "0.5 ± 0.2 points: which it is")),
        (Side.BELOW, "refuted", ("the size (0.5 ± 0.2 points) is refuted", "points: which it is not")),
    ],
)
def test_a_size_is_said_to_be_decided_only_where_it_was_asked(
    side: Side, decision: str, words: tuple[str, ...]
) -> None:
    told = page(replace(RECORD, within="0.2", decision=decision, pairs=(replace(PAIR, side=side),)))
    assert all(word in told for word in words)
    assert "the size" not in page(RECORD)


def test_a_stated_size_that_is_gone_is_named() -> None:
    told = page(replace(RECORD, pairs=(replace(PAIR, excludes_stated=True),)))
    assert "the direction holds" in told
    assert "0.5 points: excluded" in told


def test_a_pair_that_is_still_open_is_so_called() -> None:
    assert "(95 % sure, still open)" in page(replace(RECORD, pairs=(replace(PAIR, side=""),)))


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (0.00002, 0.0213, "+0.002 to +2.130"),
        (-0.0140001, 0.1010001, "−1.401 to +10.101"),
        (0.048, 0.048, "+4.800 to +4.800"),
        (0, 0, "0.000 to 0.000"),
    ],
)
def test_an_interval_is_rounded_outwards(low: float, high: float, text: str) -> None:
    assert interval_text(low, high) == text
