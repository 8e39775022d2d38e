"""Claims that the paper alone settles, or that no evaluation can."""

from __future__ import annotations

import operator
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal, InvalidOperation

from repro.analysis.claim_verdict import ClaimVerdict, Finding
from repro.analysis.measured import Measured
from repro.analysis.verdict import Verdict, judge_count
from repro.catalogue.claims import (
    QUANTITY_WORDS,
    ContradictionClaim,
    CountedClaim,
    OpenClaim,
    OrderingClaim,
)

_OPEN = {
    "training": ClaimVerdict.NEEDS_TRAINING,
    "study": ClaimVerdict.STUDY,
    "outside": ClaimVerdict.OUTSIDE,
}
_RELATIONS = {"=": operator.eq, ">": operator.gt, ">=": operator.ge}
_SCALE = {"params_m": 10**6, "macs_g": 10**9}


def judge_counted(claim: CountedClaim, _measured: Measured) -> Finding:
    counted = Decimal(claim.counted) / _SCALE[claim.quantity]
    judged = judge_count(counted, claim.stated)
    _, _, unit = QUANTITY_WORDS[claim.quantity]
    verdict = ClaimVerdict.HOLDS if judged.verdict is Verdict.AGREES else ClaimVerdict.DIFFERS
    reason = f"{counted:.3f} {unit} counted, of the network built so"
    right = _rounded_otherwise(counted, claim.stated)
    return Finding(verdict, reason, f"{claim.stated:f}", f"{counted:.3f}", right, steps=(reason,))


def _rounded_otherwise(counted: Decimal, stated: Decimal) -> str:
    """What the count rounds to where that is not the printed number, and how this one may have come about."""
    rounded, cut_off = (counted.quantize(stated, how) for how in (ROUND_HALF_EVEN, ROUND_DOWN))
    if rounded == stated:
        return ""
    return f"{rounded} if rounded" + (
        f"; {stated} is what is left when it is cut off" if cut_off == stated else ""
    )


def judge_ordering(claim: OrderingClaim, _measured: Measured) -> Finding:
    """The printed numbers can refute an ordering; to confirm it they would have to be measured."""
    pairs = zip(claim.terms, claim.relations, claim.terms[1:], strict=False)
    broken = [
        f"{one} {a:f} is not {relation} {other} {b:f}"
        for (one, a), relation, (other, b) in pairs
        if not _RELATIONS[relation](a, b)
    ]
    (first, value), *others = claim.terms
    shown = f"{first} {value:f}" + "".join(
        f" {relation} {name} {v:f}" for relation, (name, v) in zip(claim.relations, others, strict=True)
    )
    if broken:
        reason = f"{claim.rests_on}: {'; '.join(broken)}"
        return Finding(ClaimVerdict.DIFFERS, reason, steps=(shown,))
    reason = f"{claim.rests_on} prints it so ({shown}); to confirm it takes {claim.why}"
    return Finding(_OPEN[claim.needs], reason, steps=(f"{claim.rests_on}: {shown}",))


def judge_contradiction(claim: ContradictionClaim, _measured: Measured) -> Finding:
    said = {_as_number(text) for text in claim.places.values()}
    verdict = ClaimVerdict.CONTRADICTION if len(said) > 1 else ClaimVerdict.HOLDS
    reason = ", ".join(f"{text} in {place}" for place, text in claim.places.items())
    return Finding(verdict, reason, steps=tuple(f"{place}: {text}" for place, text in claim.places.items()))


def _as_number(text: str) -> Decimal | str:
    try:
        return Decimal(text)
    except InvalidOperation:
        return text


def judge_open(claim: OpenClaim, _measured: Measured) -> Finding:
    return Finding(_OPEN[claim.needs], f"it takes {claim.why}", stated=claim.stated)
