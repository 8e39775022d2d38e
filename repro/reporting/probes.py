"""What probes found, as a table: rescued errors beside broken controls, and the excess that counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

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
            Column("Counts", drop=3),
            Column("Errors turned right (%)", "right"),
            Column("95% interval", "right", drop=2),
            Column("Controls turned wrong (%)", "right"),
            Column("95% interval", "right", drop=2),
            Column("Excess (points)", "right"),
            Column("95% interval", "right"),
        ),
        groups=tuple(_group(kind, attribution) for kind, attribution in found.items()),
        notes=(
            *(verdict for kind, attribution in found.items() for verdict in _verdict(kind, attribution)),
            *(note for kind, attribution in found.items() for note in _remarks(kind, attribution)),
            "A control is a right answer of like confidence. Only the excess of errors turned right over "
            "controls turned wrong speaks for a cause.",
        ),
        grouped_by="Kind",
    )


def _group(kind: str, found: Attribution) -> Group:
    any_dose = found.any_dose
    rows = [("any that counts", "", "", *_effect(any_dose))]
    for key, effect in found.by_dose.items():
        name, dose = key
        rows.append((name, f"{dose:.3g}", "yes" if key in found.counted else "no", *_effect(effect)))
    return Group(f"{kind}: {any_dose.rescued.n} errors, {any_dose.broken.n} controls", tuple(rows))


def _effect(effect: Effect) -> tuple[str, ...]:
    return (
        *_rate(effect.rescued),
        *_rate(effect.broken),
        f"{100 * effect.excess:+.1f}",
        _interval(effect.interval(), "+.1f"),
    )


def _rate(rate: Rate) -> tuple[str, str]:
    return f"{100 * rate.fraction:.1f}", _interval(rate.interval(), ".1f")


def _interval(ends: Interval, form: str) -> str:
    return " to ".join(f"{100 * end:{form}}" for end in ends)


def _verdict(kind: str, found: Attribution) -> Iterator[str]:
    """In words, what the excess allows to say."""
    interval = found.any_dose.interval()
    if interval[0] > 0:
        yield f"{kind}: {_WHAT[kind]} drives {_interval(interval, '.1f')} % of the errors, controls deducted."
    elif interval[1] < 0:
        yield f"{kind}: the doses that count turn more controls wrong than errors right; nothing is shown."
    else:
        yield f"{kind}: no excess over the controls, so {_WHAT[kind]} is not shown to drive errors."
    for (name, dose), own in found.standing_out.items():
        excess = 100 * found.by_dose[name, dose].excess
        yield (
            f"{kind}: {name} {dose:.3g}, by itself, has an excess of {excess:+.1f} points "
            f"({_interval(own, '+.1f')}, corrected for {len(found.by_dose)} doses)."
        )


def _remarks(kind: str, found: Attribution) -> Iterator[str]:
    if found.disagreeing:
        n = len(found.disagreeing)
        yield f"{kind}: {n} images left out, their prediction differs from the stored one."
    told = {name: n for name, n in found.focus.items() if name != "none"}
    if told:
        by = ", ".join(f"{name} {n}" for name, n in sorted(told.items()))
        yield f"{kind}: who says where the object is: {by}."
