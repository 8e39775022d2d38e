"""What probes found, as a table: rescued errors beside broken controls, and the excess that counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from repro.analysis.attribution import LIKE, Attribution, Effect, Interval, Rate
from repro.reporting.table import Column, Group, Table

ASKED = {"size": "size", "context": "surroundings", "shape": "shape"}
"""What each kind of probe asks about, in words."""


def probes_table(by_run: Mapping[str, Mapping[str, Attribution]]) -> Table:
    """One group a run and kind of probe: any of its doses, then each; in percent, with intervals.

    `by_run` are the attributions by kind, by run id.
    """
    several = len(by_run) > 1
    found = {
        (f"{run}, {kind}" if several else kind, kind): attribution
        for run, kinds in by_run.items()
        for kind, attribution in kinds.items()
    }
    return Table(
        title=f"Probes of {', '.join(by_run)}",
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
        groups=tuple(_group(name, attribution) for (name, _), attribution in found.items()),
        notes=(
            *(
                verdict
                for (name, kind), attribution in found.items()
                for verdict in _verdict(name, ASKED[kind], attribution)
            ),
            *(note for (name, _), attribution in found.items() for note in _remarks(name, attribution)),
            f"{control_words(found.values())} Only the excess of errors turned right over "
            "controls turned wrong speaks for a cause.",
        ),
        grouped_by="Run and kind" if several else "Kind",
    )


def control_words(found: Iterable[Attribution]) -> str:
    """What a control is: of like confidence only where it is so in all that was found."""
    if all(one.alike for one in found):
        return "A control is a right answer of like confidence."
    return (
        "A control is the right answer nearest in confidence; where the means of the two are more than "
        f"{LIKE} apart it is not of like confidence, and the excess may be due to that."
    )


def confidence_text(found: Attribution) -> str:
    """The mean of the errors', and that of the controls'."""
    return "/".join(f"{mean:.2f}" for mean in found.confidence)


def _group(name: str, found: Attribution) -> Group:
    any_dose = found.any_dose
    rows = [("any that counts", "", "", *_effect(any_dose))]
    for key, effect in found.by_dose.items():
        intervention, dose = key
        rows.append((intervention, f"{dose:.3g}", "yes" if key in found.counted else "no", *_effect(effect)))
    return Group(f"{name}: {any_dose.rescued.n} errors, {any_dose.broken.n} controls", tuple(rows))


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


def _verdict(name: str, what: str, found: Attribution) -> Iterator[str]:
    """In words, what the excess allows to say."""
    interval = found.any_dose.interval()
    if interval[0] > 0:
        yield f"{name}: {what} drives {_interval(interval, '.1f')} % of the errors, controls deducted."
    elif interval[1] < 0:
        yield f"{name}: the doses that count turn more controls wrong than errors right; nothing is shown."
    else:
        yield f"{name}: no excess over the controls, so {what} is not shown to drive errors."
    for (intervention, dose), own in found.standing_out.items():
        excess = 100 * found.by_dose[intervention, dose].excess
        yield (
            f"{name}: {intervention} {dose:.3g}, by itself, has an excess of {excess:+.1f} points "
            f"({_interval(own, '+.1f')}, corrected for {len(found.by_dose)} doses)."
        )


def _remarks(name: str, found: Attribution) -> Iterator[str]:
    yield f"{name}: mean confidence of errors/controls {confidence_text(found)}."
    if found.disagreeing:
        n = len(found.disagreeing)
        yield f"{name}: {n} images left out, their prediction differs from the stored one."
    told = {teller: n for teller, n in found.focus.items() if teller != "none"}
    if told:
        by = ", ".join(f"{teller} {n}" for teller, n in sorted(told.items()))
        yield f"{name}: who says where the object is: {by}."
