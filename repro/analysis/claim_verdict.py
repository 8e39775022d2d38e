"""What may be said of a claim."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ClaimVerdict(StrEnum):
    HOLDS = "holds"
    OTHER_BASE = "holds with another base"
    WRONG_NETWORK = "right number, wrong network"
    DIFFERS = "differs"
    SUPERSEDED = "superseded"
    CONTRADICTION = "source contradicts itself"
    NEEDS_TRAINING = "needs training (not run)"
    NOT_PUBLIC = "weights not public"
    STUDY = "open, see the study"
    OUTSIDE = "outside this tool so far"
    NOT_RUN = "not run yet"


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict with its reason in a line; `steps` show the working, one line each.

    `stated` and `found` stand beside each other in the ledger; `right` is the statement that is true where
    the claim is not; `models` are those whose evaluation would settle it.
    """

    verdict: ClaimVerdict
    reason: str
    stated: str = ""
    found: str = ""
    right: str = ""
    steps: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
