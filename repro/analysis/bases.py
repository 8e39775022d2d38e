"""Percentages and their base: of "A has 28 % fewer than B" B is the base, and often A was meant."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from repro.analysis.verdict import last_digit


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to compute a percentage: `part` against `base`, as `origin` prints or counts them.

    `swapped` says that the base is not the one the statement names.
    """

    part: Decimal
    base: Decimal
    more: bool
    swapped: bool
    origin: str

    @property
    def percent(self) -> Fraction:
        quotient = Fraction(self.part) / Fraction(self.base)
        return 100 * (quotient - 1 if self.more else 1 - quotient)

    @property
    def formula(self) -> str:
        """`4.6/3.6 − 1 = 27.8 %`"""
        quotient = f"{self.part:f}/{self.base:f}"
        difference = f"{quotient} − 1" if self.more else f"1 − {quotient}"
        return f"{difference} = {float(self.percent):.1f} %"

    def gives(self, stated: Decimal) -> bool:
        """Whether the percentage rounds to the stated one."""
        return abs(self.percent - Fraction(stated)) <= Fraction(last_digit(stated)) / 2


def readings(subject: Decimal, reference: Decimal, more: bool, origin: str) -> tuple[Reading, Reading]:
    """Against the stated base, the reference; and against the other one, the subject."""
    return (
        Reading(subject, reference, more, False, origin),
        Reading(reference, subject, not more, True, origin),
    )


def first_that_gives(stated: Decimal, candidates: Iterable[Reading]) -> Reading | None:
    return next((reading for reading in candidates if reading.gives(stated)), None)


def implied_values(stated: Decimal, base: Decimal, more: bool) -> list[Decimal]:
    """The numbers, with as many decimals as `base`, that make "`stated` % more (fewer) than `base`" true."""
    half = Fraction(last_digit(stated)) / 2
    sign = 1 if more else -1
    ends = sorted(Fraction(base) * (1 + sign * (Fraction(stated) + h) / 100) for h in (-half, half))
    scale = 10 ** -int(base.as_tuple().exponent)
    units = range(math.ceil(ends[0] * scale), math.floor(ends[1] * scale) + 1)
    return [Decimal(n).scaleb(int(base.as_tuple().exponent)) for n in units]
