"""A verdict: what may be said of a measured number beside a printed one.

Printed digits are a tolerance: 80.3 stands for anything in [80.25, 80.35], and a difference counts
from the nearest of these values.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

SAME_POINTS = Decimal("0.03")
"""The scatter of one checkpoint measured anew: 95 % of timm's re-validations moved by 0.028 or less."""

REPRODUCED_POINTS = Decimal("0.10")
"""A little above the largest of these moves, 0.074."""


class Verdict(StrEnum):
    """What is said of a row or of one of its quantities."""

    SAME = "SAME"
    REPRODUCED = "REPRODUCED"
    DIFFERENT = "DIFFERENT"
    NOT_COMPARABLE = "NOT COMPARABLE"
    INVALID = "INVALID"
    NOT_RUN = "NOT RUN"
    NOT_PRINTED = "NOT PRINTED"
    AGREES = "AGREES"
    DIFFERS = "DIFFERS"
    NOT_COUNTED = "NOT COUNTED"
    SUPERSEDED = "SUPERSEDED"


MATCHES = frozenset({Verdict.SAME, Verdict.REPRODUCED})


@dataclass(frozen=True, slots=True)
class Figure:
    """A printed number beside the measured one, both in the unit of the print.

    `difference` counts from the nearest value that rounds to the print; None where nothing may be compared.
    """

    verdict: Verdict
    printed: Decimal | None
    measured: Decimal | None = None
    difference: Decimal | None = None
    reason: str = ""


def gap_to_printed(measured: Decimal, printed: Decimal) -> Decimal:
    """Signed distance from `measured` to the nearest value that rounds to `printed`."""
    half = last_digit(printed) / 2
    nearest = min(max(measured, printed - half), printed + half)
    return measured - nearest


def judge_accuracy(measured: Decimal, printed: Decimal) -> Figure:
    """The verdict on a percentage."""
    gap = gap_to_printed(measured, printed)
    if abs(gap) <= SAME_POINTS:
        verdict, reason = Verdict.SAME, f"within {SAME_POINTS} points"
    elif abs(gap) <= REPRODUCED_POINTS:
        verdict, reason = Verdict.REPRODUCED, f"within {REPRODUCED_POINTS} points"
    else:
        side = "above" if gap > 0 else "below"
        verdict, reason = Verdict.DIFFERENT, f"{abs(gap):.3f} points {side} {printed}"
    return Figure(verdict, printed, measured, gap, reason)


def judge_count(measured: Decimal, printed: Decimal) -> Figure:
    """The verdict on parameters or MACs: they agree within one unit of the last printed digit."""
    agrees = abs(measured - printed) <= last_digit(printed)
    verdict = Verdict.AGREES if agrees else Verdict.DIFFERS
    return Figure(verdict, printed, measured, gap_to_printed(measured, printed))


def last_digit(printed: Decimal) -> Decimal:
    """One unit of the last printed digit; by half of it a number may differ from what it was rounded to."""
    return Decimal(1).scaleb(int(printed.as_tuple().exponent))
