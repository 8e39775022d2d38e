"""Which claims can be decided early, and how the others are refused."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from repro.catalogue.claim_files import load_sources
from repro.catalogue.claims import DifferenceClaim, Source
from repro.catalogue.questions import find_question
from repro.exceptions import UsageError


def test_every_difference_in_top1_is_a_question() -> None:
    claims = [claim for source in load_sources() for claim in source.claims]
    differences = [c for c in claims if isinstance(c, DifferenceClaim) and c.quantity == "top1_pct"]
    assert len(differences) == 5
    for claim in differences:
        question = find_question(claim.id, load_sources())
        assert question.pairs == [(claim.subject.model, claim.reference.model)]
        assert question.stated == claim.stated


def stating(stated: str) -> list[Source]:
    """The talk, with another number in its difference to DeiT-S."""
    (talk,) = (source for source in load_sources() if source.key == "talk")
    (claim,) = (claim for claim in talk.claims if claim.id == "talk-12-top1-deit")
    assert isinstance(claim, DifferenceClaim)
    return [replace(talk, claims=(replace(claim, stated=Decimal(stated)),))]


def test_a_model_that_is_behind_is_asked_about_from_the_front() -> None:
    question = find_question("talk-12-top1-deit", stating("-0.5"))
    assert (question.models, question.stated) == (("deit_s", "poolformer_s24"), Decimal("0.5"))


def test_no_difference_has_no_direction() -> None:
    with pytest.raises(UsageError, match="talk-12-top1-deit states no direction") as refused:
        find_question("talk-12-top1-deit", stating("0.0"))
    assert refused.value.hint == "repro verify talk-12-top1-deit --within 0.2"
    assert find_question("talk-12-top1-deit", stating("0.0"), Decimal("0.2")).stated == 0


def test_an_ordering_is_a_question_of_neighbours() -> None:
    question = find_question("poolformer_s24 >deit_s> lite0", load_sources())
    assert question.pairs == [("poolformer_s24", "deit_s"), ("deit_s", "efficientnet_lite0")]
    assert question.id == "poolformer_s24-over-deit_s-over-efficientnet_lite0"
    assert question.stated is None


def test_the_size_of_a_difference_is_a_question() -> None:
    assert find_question("talk-12-top1-deit", load_sources(), Decimal("0.2")).within == Decimal("0.2")


@pytest.mark.parametrize(
    ("text", "within", "words"),
    [
        ("talk-12-top1-dei", None, "unknown claim 'talk-12-top1-dei'; a difference .* (talk-12-top1-deit, "),
        ("xyz", None, "unknown claim 'xyz'; .*paper-abstract-top1-deit.* 'poolformer_s24 > deit_s'"),
        ("talk-12-macs-deit", None, "talk-12-macs-deit cannot be decided early; .*talk-12-top1-deit"),
        ("talk-12-deit_s-top1", None, "cannot be decided early"),
        ("deit_s > deit_x", None, "unknown model 'deit_x'; did you mean deit_s"),
        ("deit_s >", None, "unknown model ''"),
        ("deit_s > poolformer_s24", "0.2", "an ordering states none"),
        ("talk-12-top1-deit", "-1", "--within -1 is no number of points above 0"),
        ("talk-12-top1-deit", "NaN", "--within NaN is no number of points above 0"),
    ],
)
def test_what_cannot_be_decided_is_refused(text: str, within: str | None, words: str) -> None:
    with pytest.raises(UsageError, match=words.replace("(talk", r"\(talk")):
        find_question(text, load_sources(), within and Decimal(within))


def test_a_model_stands_once() -> None:
    with pytest.raises(UsageError, match="names deit_s twice"):
        find_question("deit_s > timm:deit_small_patch16_224.fb_in1k", load_sources())
