"""What probes found, as a table: rescued errors beside broken controls, and the excess that counts."""

from __future__ import annotations

from collections.abc import Mapping

from repro.analysis.attribution import Attribution, Effect, Interval, Rate
from repro.reporting.table import Column, Group, Table
from repro.results.record import RunRecord

_WHAT = {"size": "size", "context": "surroundings", "shape": "shape"}


def probes_table(record: RunRecord, found: Mapping[str, Attribution]) -> Table:
    """One group a kind of probe: any of its doses, then each; rates and excess in percent, with intervals."""
    return Table(
        title=f"Probes of {record.run_id}",
        columns=(
            Column("Intervention"),
            Column("Dose", "right"),
            Column("Errors turned right (%)", "right"),
            Column("95% interval", "right", drop=2),
            Column("Controls turned wrong (%)", "right"),
            Column("95% interval", "right", drop=2),
            Column("Excess (points)", "right"),
            Column("95% interval", "right"),
        ),
        groups=tuple(_group(kind, attribution) for kind, attribution in found.items()),
        notes=(
            *(_verdict(kind, attribution) for kind, attribution in found.items()),
            *(note for kind, attribution in found.items() for note in _remarks(kind, attribution)),
            "A control is a right answer of like confidence. Only the excess of errors turned right over "
            "controls turned wrong speaks for a cause.",
        ),
        grouped_by="Kind",
    )


def _group(kind: str, found: Attribution) -> Group:
    any_dose = found.any_dose
    rows = [("any gentle dose", "", *_effect(any_dose))]
    rows += [(name, f"{dose:.3g}", *_effect(effect)) for (name, dose), effect in found.by_dose.items()]
    return Group(f"{kind}: {any_dose.rescued.n} errors, {any_dose.broken.n} controls", tuple(rows))


def _effect(effect: Effect) -> tuple[str, ...]:
    return (
        *_rate(effect.rescued),
        *_rate(effect.broken),
        f"{100 * effect.excess:+.1f}",
        _interval(effect.interval, "+.1f"),
    )


def _rate(rate: Rate) -> tuple[str, str]:
    return f"{100 * rate.fraction:.1f}", _interval(rate.interval, ".1f")


def _interval(ends: Interval, form: str) -> str:
    return " to ".join(f"{100 * end:{form}}" for end in ends)


def _verdict(kind: str, found: Attribution) -> str:
    """In words, what the excess allows to say."""
    low, _ = found.any_dose.interval
    if low > 0:
        share = _interval(found.any_dose.interval, ".1f")
        return f"{kind}: {_WHAT[kind]} drives {share} % of the errors beyond what breaks the controls."
    return f"{kind}: no excess, so no error may be blamed on {_WHAT[kind]} by this probe."


def _remarks(kind: str, found: Attribution) -> list[str]:
    remarks = []
    if found.disagreeing:
        n = len(found.disagreeing)
        remarks.append(f"{kind}: {n} images left out, their prediction differs from the stored one.")
    told = {name: n for name, n in found.focus.items() if name != "none"}
    if told:
        by = ", ".join(f"{name} {n}" for name, n in sorted(told.items()))
        remarks.append(f"{kind}: the object's place is told by: {by}.")
    return remarks
