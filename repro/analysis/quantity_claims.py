"""Claims on Params, MACs and Top-1 of one model, of two, or of a table's rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal

from repro.analysis.claim_verdict import ClaimVerdict, Finding
from repro.analysis.compare import eval_command
from repro.analysis.measured import Measured, accuracy_finding, count_finding, figure_of
from repro.analysis.verdict import MATCHES, judge_accuracy, judge_count
from repro.catalogue.claims import (
    QUANTITY_WORDS,
    DifferenceClaim,
    NearClaim,
    RoundingClaim,
    ValueClaim,
)

_WORST_FIRST = (
    ClaimVerdict.SUPERSEDED,
    ClaimVerdict.DIFFERS,
    ClaimVerdict.WRONG_NETWORK,
    ClaimVerdict.NOT_PUBLIC,
    ClaimVerdict.OUTSIDE,
    ClaimVerdict.NOT_RUN,
)
"""Of a claim on two models: what is wrong with one of them cannot be mended by the other."""


def judge_value(claim: ValueClaim, measured: Measured) -> Finding:
    compared = measured.compare(claim.row, claim.macs_counter)
    is_accuracy = claim.quantity == "top1_pct"
    found = accuracy_finding(compared) if is_accuracy else count_finding(compared, claim.quantity)
    return replace(found, stated=f"{claim.stated:f}")


def judge_difference(claim: DifferenceClaim, measured: Measured) -> Finding:
    """First the printed numbers' own arithmetic, then what was measured of both."""
    subject, reference = (row.claims[claim.quantity].printed for row in (claim.subject, claim.reference))
    arithmetic = f"{subject:f} − {reference:f} = {subject - reference:f}"
    _, _, unit = QUANTITY_WORDS[claim.quantity]
    stated = f"{claim.stated:+f}"
    if subject - reference != claim.stated:
        reason = f"as printed {arithmetic}, not {claim.stated:f}"
        return Finding(ClaimVerdict.DIFFERS, reason, stated, f"{subject - reference:+f}")
    compared = [measured.compare(row, claim.macs_counter) for row in (claim.subject, claim.reference)]
    is_accuracy = claim.quantity == "top1_pct"
    findings = [accuracy_finding(c) if is_accuracy else count_finding(c, claim.quantity) for c in compared]
    steps = (f"as printed: {arithmetic}", *(step for finding in findings for step in finding.steps))
    if any(finding.verdict is not ClaimVerdict.HOLDS for finding in findings):
        worst = _worst(findings)
        reason = f"as printed {arithmetic}; {worst.reason}"
        return Finding(worst.verdict, reason, stated, steps=steps, models=worst.models)
    ours, theirs = (figure_of(c, claim.quantity).measured or Decimal(0) for c in compared)
    judged = (judge_accuracy if is_accuracy else judge_count)(ours - theirs, claim.stated)
    agrees = judged.verdict in MATCHES or not is_accuracy
    reason = f"measured: {ours:.3f} − {theirs:.3f} = {ours - theirs:.3f} {unit.replace('%', 'points')}"
    verdict = ClaimVerdict.HOLDS if agrees else ClaimVerdict.DIFFERS
    return Finding(verdict, reason, stated, f"{ours - theirs:+.3f}", steps=(*steps, reason))


def _worst(findings: Sequence[Finding]) -> Finding:
    """The finding that decides; models that were not run are named together."""
    worst = min(
        (finding for finding in findings if finding.verdict in _WORST_FIRST),
        key=lambda finding: _WORST_FIRST.index(finding.verdict),
    )
    models = [model for finding in findings for model in finding.models]
    if worst.verdict is ClaimVerdict.NOT_RUN and len(models) > 1:
        return replace(worst, reason=eval_command(models, "authors"), models=tuple(models))
    return worst


def judge_near(claim: NearClaim, measured: Measured) -> Finding:
    """By the printed numbers and by what was counted or measured, whichever is further off.

    Accuracies count only where both were measured as they are printed.
    """
    _, name, unit = QUANTITY_WORDS[claim.quantity]
    rows = (claim.subject, claim.reference)
    compared = [measured.compare(row, claim.macs_counter) for row in rows]
    figures = [figure_of(row, claim.quantity) for row in compared]
    pairs = {"printed": [figure.printed for figure in figures]}
    worst = None
    if claim.quantity == "top1_pct":
        findings = [accuracy_finding(row) for row in compared]
        worst = _worst(findings) if any(f.verdict is not ClaimVerdict.HOLDS for f in findings) else None
    if worst is None:
        pairs["counted"] = [_three_decimals(figure.measured) for figure in figures]
    steps, furthest = [], Decimal(0)
    for how, (ours, theirs) in pairs.items():
        if ours is not None and theirs:
            off = 100 * (ours / theirs - 1)
            furthest = max(furthest, off, key=abs)
            steps.append(f"{how}: {ours:f} against {theirs:f} {unit}, {_signed(off)} %")
    verdict = ClaimVerdict.HOLDS if abs(furthest) <= claim.within_pct else ClaimVerdict.DIFFERS
    reason = f"{'; '.join(steps)} ({name} within {claim.within_pct:f} % are taken for about the same)"
    stated, off_by = f"±{claim.within_pct:f} %", f"{_signed(furthest)} %"
    if worst is not None and verdict is ClaimVerdict.HOLDS:
        reason = f"{reason}; {worst.reason}"
        return Finding(worst.verdict, reason, stated, steps=(*steps, *worst.steps), models=worst.models)
    return Finding(verdict, reason, stated, off_by, steps=tuple(steps))


def _signed(percent: Decimal) -> str:
    return f"{percent:+.1f}".replace("-", "−")


def _three_decimals(value: Decimal | None) -> Decimal | None:
    return None if value is None else round(value, 3)


def judge_rounding(claim: RoundingClaim, measured: Measured) -> Finding:
    """Which printed numbers can only be rounded, and which only cut off."""
    rounded: list[str] = []
    cut_off: list[str] = []
    neither: list[str] = []
    for row in claim.rows:
        printed = row.claims[claim.quantity].printed
        counted = figure_of(measured.compare(row, claim.macs_counter), claim.quantity).measured
        if counted is None:
            continue
        ways = (counted.quantize(printed, ROUND_HALF_UP), counted.quantize(printed, ROUND_DOWN))
        shown = f"{row.label} {printed:f} of {counted:.3f}"
        if printed not in ways:
            neither.append(shown)
        elif ways[0] != ways[1]:
            (rounded if printed == ways[0] else cut_off).append(shown)
    parts = {"rounded": rounded, "cut off": cut_off, "neither": neither}
    steps = tuple(f"{how}: {', '.join(rows)}" for how, rows in parts.items() if rows)
    if rounded and cut_off:
        verdict = ClaimVerdict.CONTRADICTION
    else:
        verdict = ClaimVerdict.DIFFERS if neither else ClaimVerdict.HOLDS
    return Finding(verdict, "; ".join(steps) or "either rule gives what is printed", steps=steps)
