"""Claims "A has 28 % fewer than B": which base, and whose numbers, make the percentage true."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from repro.analysis.bases import Reading, first_that_gives, implied_values, readings
from repro.analysis.claim_verdict import ClaimVerdict, Finding
from repro.analysis.compare import ComparedRow
from repro.analysis.measured import Measured, count_finding, figure_of
from repro.analysis.verdict import Verdict
from repro.catalogue.claims import QUANTITY_WORDS, RatioClaim
from repro.catalogue.models import find_model


def judge_ratio(claim: RatioClaim, measured: Measured) -> Finding:
    """Tries the source's own numbers, then other sources', each against the stated base and the other one."""
    working = _work_out(claim, measured)
    verdict, reason = _verdict(working)
    return Finding(
        verdict,
        reason,
        stated=f"{claim.stated:f} %",
        found=next((f"{float(r.percent):.1f} %" for r in working.printed), ""),
        right=_right(working, verdict),
        steps=_steps(working),
    )


@dataclass(frozen=True, slots=True)
class _Working:
    """Every reading of the percentage: by the source's own numbers, by other sources', by the counts."""

    claim: RatioClaim
    compared: tuple[ComparedRow, ...]
    own: tuple[Reading, ...]
    elsewhere: tuple[Reading, ...]
    counted: tuple[Reading, ...]

    @property
    def printed(self) -> tuple[Reading, ...]:
        return (*self.own, *self.elsewhere)

    @property
    def match(self) -> Reading | None:
        """The first reading that makes the statement true."""
        return first_that_gives(self.claim.stated, self.printed)

    @property
    def superseded(self) -> tuple[str, ...]:
        """What a later version of the source says of each number that it changed."""
        rows, quantity = (self.claim.subject, self.claim.reference), self.claim.quantity
        return tuple(row.superseded[quantity] for row in rows if quantity in row.superseded)

    @property
    def beside(self) -> str:
        """What other sources' numbers and the counts give with the stated base."""
        others = [reading for reading in self.elsewhere if not reading.swapped]
        return "".join(f"; {reading.origin} {reading.formula}" for reading in (*others, *self.counted))


def _work_out(claim: RatioClaim, measured: Measured) -> _Working:
    rows = (claim.subject, claim.reference)
    compared = tuple(measured.compare(row, claim.macs_counter) for row in rows)
    others = measured.printed_by_others(claim.source, rows[0].model, rows[1].model, claim.quantity)
    return _Working(
        claim,
        compared,
        own=_own(claim),
        elsewhere=tuple(
            reading
            for key, numbers in others.items()
            for reading in readings(*numbers, claim.more, f"as {key} prints")
        ),
        counted=_counted(claim, compared),
    )


_NOT_THE_PRINTED = (Verdict.DIFFERS, Verdict.NOT_COMPARABLE, Verdict.INVALID)


def _own(claim: RatioClaim) -> tuple[Reading, ...]:
    rows = (claim.subject, claim.reference)
    numbers = [row.claims[claim.quantity].printed for row in rows if claim.quantity in row.claims]
    return readings(numbers[0], numbers[1], claim.more, "as printed") if len(numbers) == 2 else ()


def _counted(claim: RatioClaim, compared: Sequence[ComparedRow]) -> tuple[Reading, ...]:
    """Against the stated base; nothing where a network is missing, or was not measured as the printed one."""
    figures = [figure_of(c, claim.quantity) for c in compared]
    counts = [round(f.measured, 3) for f in figures if f.measured and f.verdict not in _NOT_THE_PRINTED]
    return readings(counts[0], counts[1], claim.more, "as counted")[:1] if len(counts) == 2 else ()


def _verdict(working: _Working) -> tuple[ClaimVerdict, str]:
    claim, match, beside, superseded = working.claim, working.match, working.beside, working.superseded
    if not working.own:
        return ClaimVerdict.SUPERSEDED, "; ".join([_implied(claim), *superseded]) + beside
    if match is None:
        own = working.own[0].formula
        return ClaimVerdict.DIFFERS, f"neither base gives {claim.stated:f} %: {own}{beside}"
    if match.swapped:
        return ClaimVerdict.OTHER_BASE, f"{_other_base(claim, match)}{beside}"
    if superseded and match in working.own:
        return ClaimVerdict.SUPERSEDED, f"{match.formula}; {superseded[0]}{beside}"
    if strangers := _strangers(working):
        return ClaimVerdict.WRONG_NETWORK, f"{match.formula} as printed, but {strangers}"
    return ClaimVerdict.HOLDS, "; ".join(f"{r.origin} {r.formula}" for r in (match, *working.counted))


def _steps(working: _Working) -> tuple[str, ...]:
    claim, match = working.claim, working.match
    worked = [
        f"{reading.origin}, {_whose(claim, reading)}: {reading.formula}"
        + (" ← what is stated" if reading is match else "")
        for reading in (*working.printed, *working.counted)
    ]
    counts = [step for c in working.compared for step in count_finding(c, claim.quantity).steps]
    return (*worked, *counts)


def _strangers(working: _Working) -> str:
    """Why the networks at hand are not those whose numbers are printed; empty where they are."""
    quantity = working.claim.quantity
    found = [c for c in working.compared if figure_of(c, quantity).verdict is Verdict.DIFFERS]
    return "; ".join(f"{c.label}: {find_model(c.model).note or 'another network'}" for c in found)


def _implied(claim: RatioClaim) -> str:
    """What a number that nobody here has seen must have been."""
    _, _, unit = QUANTITY_WORDS[claim.quantity]
    base = claim.reference.claims.get(claim.quantity)
    if base is None:
        return "its own numbers are not known here"
    values = implied_values(claim.stated, base.printed, claim.more)
    if not values:
        return f"no number of {claim.subject.label} gives it"
    span = f"{values[0]:f}" if len(values) == 1 else f"{values[0]:f} to {values[-1]:f}"
    return f"it takes {span} {unit} of {claim.subject.label}, a number not known here"


def _whose(claim: RatioClaim, reading: Reading) -> str:
    base = claim.subject if reading.swapped else claim.reference
    return f"relative to {base.label}"


def _other_base(claim: RatioClaim, match: Reading) -> str:
    """`relative to PoolFormer-S24: 4.6/3.6 − 1 = 27.8 %, what DeiT-S has more`"""
    comparison = "more" if match.more else "fewer"
    return (
        f"{match.formula} is what {claim.reference.label} {_has(claim)} {comparison}, {_whose(claim, match)}"
    )


def _right(working: _Working, verdict: ClaimVerdict) -> str:
    """The true statement with the stated base, where the claim is not true; and by newer numbers."""
    claim = working.claim
    candidates = {
        ClaimVerdict.OTHER_BASE: working.own,
        ClaimVerdict.DIFFERS: working.own,
        ClaimVerdict.SUPERSEDED: (*working.elsewhere, *working.own),
    }.get(verdict, ())
    reading = next((r for r in candidates if not r.swapped), None)
    if reading is None:
        return ""
    _, name, _ = QUANTITY_WORDS[claim.quantity]
    comparison, percent = "more" if claim.more else "fewer", _rounded(reading, claim.stated)
    statement = (
        f"{claim.subject.label} {_has(claim)} {percent} % {comparison} {name} than {claim.reference.label}"
    )
    newer = working.elsewhere if working.superseded and reading in working.own else ()
    return statement + "".join(
        f" ({_rounded(one, claim.stated)} % {one.origin})" for one in newer if not one.swapped
    )


def _rounded(reading: Reading, like: Decimal) -> str:
    decimals = max(0, -int(like.as_tuple().exponent))
    return f"{float(reading.percent):.{decimals}f}"


def _has(claim: RatioClaim) -> str:
    return "needs" if claim.quantity == "macs_g" else "has"
