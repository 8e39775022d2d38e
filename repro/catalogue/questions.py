"""What can be decided early: which of two models is more accurate, or how far apart they are."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise

from repro.catalogue.claims import DifferenceClaim, Source, StatedClaim
from repro.catalogue.models import find_model
from repro.exceptions import UsageError


@dataclass(frozen=True, slots=True)
class Question:
    """Whether each of `models` is more accurate than the next; `stated` is by how many points, where claimed.

    With `within`, whether the first is ahead by `stated` points, give or take so many.
    """

    id: str
    says: str
    models: tuple[str, ...]
    stated: Decimal | None = None
    within: Decimal | None = None

    @property
    def pairs(self) -> list[tuple[str, str]]:
        return list(pairwise(self.models))


def find_question(text: str, sources: Sequence[Source], within: Decimal | None = None) -> Question:
    """The question of the claim whose id `text` is, or of an ordering such as `poolformer_s24 > deit_s`.

    Raises:
        UsageError: nothing is meant by it, or no number of images could decide it early.
    """
    question = _ordering(text) if ">" in text else _difference(text, sources)
    if within is None and question.stated == 0:
        raise UsageError(f"{text} states no direction, only a size", hint=f"repro verify {text} --within 0.2")
    if within is None:
        return question
    if question.stated is None:
        raise UsageError("--within needs a claim that states a difference; an ordering states none")
    if not (within.is_finite() and within > 0):
        raise UsageError(f"--within {within} is no number of points above 0", hint="--within 0.2")
    return replace(question, within=within)


def _ordering(text: str) -> Question:
    specs = [find_model(name.strip()) for name in text.split(">")]
    names = [spec.name for spec in specs]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"{text!r} names {name} twice")
    return Question(
        id="-over-".join(names),
        says=f"Top-1: {' > '.join(spec.label for spec in specs)}",
        models=tuple(names),
    )


def _difference(claim_id: str, sources: Sequence[Source]) -> Question:
    claims = {claim.id: claim for source in sources for claim in source.claims}
    match claims.get(claim_id):
        case DifferenceClaim(quantity="top1_pct") as claim:
            ahead = (claim.subject.model, claim.reference.model)
            models = ahead if claim.stated >= 0 else ahead[::-1]
            return Question(claim.id, claim.says, models, abs(claim.stated))
        case None:
            reason = f"unknown claim {claim_id!r}; {_what_can_be(claim_id, claims)}"
            raise UsageError(reason, hint="repro claims")
        case _:
            raise UsageError(f"{claim_id} cannot be decided early; {_what_can_be(claim_id, claims)}")


def _what_can_be(claim_id: str, claims: Mapping[str, StatedClaim]) -> str:
    """Which claims can be decided early, the nearest first."""
    able = [
        claim.id
        for claim in claims.values()
        if isinstance(claim, DifferenceClaim) and claim.quantity == "top1_pct"
    ]
    near = difflib.get_close_matches(claim_id, able, n=3, cutoff=0.4) or able
    differences = f"a difference in Top-1 of two models can be ({', '.join(near)})"
    return f"{differences}, or an ordering: 'poolformer_s24 > deit_s'"
