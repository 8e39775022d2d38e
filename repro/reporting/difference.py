"""A sweep as a table and as JSON: what each variation changes, and what of the gap it would explain."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, TypeVar

from repro.analysis.difference import ExplainedDifference
from repro.analysis.gap import RunGap
from repro.analysis.variation_effects import Effect, EffectVerdict, Gap, JudgedEffect
from repro.reporting.figures import count_of, p_text, points_interval, points_up
from repro.reporting.table import Column, Group, Table
from repro.results.record import RunRecord

EntryT = TypeVar("EntryT")

_AS_STORED, _NOT_AS_STORED = "as stored", "not as stored"

_COLOURS = {
    EffectVerdict.EXPLAINS: "bold green",
    EffectVerdict.MOVES: "bold",
    EffectVerdict.TOO_FEW: "yellow",
    EffectVerdict.NOT_SHOWN: "yellow",
    _AS_STORED: "green",
    _NOT_AS_STORED: "bold red",
}


def difference_table(explained: ExplainedDifference) -> Table:
    """The run's own setting first, then the variations, those that explain most at the top."""
    gap = explained.gap.gap
    own_verdict = _NOT_AS_STORED if explained.again.n_changed else _AS_STORED
    own = (*_cells(explained.again), "", "", *_of_gap(gap, ""), own_verdict)
    judged = [
        (
            *_cells(one.effect),
            p_text(one.effect.paired.p),
            p_text(one.effect.p_corrected),
            *_of_gap(gap, _share(one.effect, gap)),
            _words(one),
        )
        for one in explained.effects
    ]
    reasons = explained.sweep.record.untried.items()
    untried = [(name, *[""] * 6, *_of_gap(gap, ""), f"not tried: {reason}") for name, reason in reasons]
    return Table(
        title=_title(explained.run),
        columns=_columns(gap),
        groups=(Group("", (own,)), Group("", tuple(judged)), Group("", tuple(untried))),
        notes=_notes(explained),
    )


def nothing_table(run: RunRecord, gap: RunGap) -> Table:
    """The same table where there is nothing to explain: without a row."""
    return Table(title=_title(run), columns=_columns(None), groups=(), notes=(_statement(gap),))


def _title(run: RunRecord) -> str:
    return f"Why is it off? {run.run_id}"


def _columns(gap: Gap | None) -> tuple[Column, ...]:
    return (
        Column("Variation"),
        Column("Predictions changed", "right"),
        Column("Right only with/without", "right", drop=2),
        Column("Top-1 (points)", "right"),
        Column("95% interval", "right", drop=1),
        Column("p", "right", drop=4),
        Column("p (Holm)", "right", drop=3),
        *_of_gap(gap, Column("Of the gap", "right", drop=3)),
        Column("Verdict", colours=_COLOURS),
    )


def _statement(gap: RunGap) -> str:
    return f"{gap.statement[:1].upper()}{gap.statement[1:]}."


def _notes(explained: ExplainedDifference) -> tuple[str, ...]:
    run, sweep = explained.run, explained.sweep.record
    how_many = f"all {sweep.n:,}" if explained.whole else f"{sweep.n:,} of {sweep.n_run:,}"
    n_tried = len(explained.effects)
    chosen = "" if explained.whole else f", evenly from all classes, seed {sweep.seed}"
    notes = [
        _statement(explained.gap),
        f"On {how_many} images of the run{chosen}. Each variation changes one factor of "
        f"{run.protocol_name} ({run.protocol}), and is paired with the run's own setting image by image.",
        "Intervals: Agresti and Min's for matched pairs. p: McNemar's exact test, corrected by Holm for "
        f"{count_of(n_tried, 'variation')}; a verdict needs a corrected p below 0.05; "
        '"cannot" and "at most" go by the interval, which is not corrected.',
    ]
    if n := explained.again.n_changed:
        notes.insert(
            1,
            f"Computed again here, the run's own setting predicts {n:,} of {sweep.n:,} images otherwise than "
            f"its rows say: {_environment_difference(explained)}.",
        )
    return tuple(notes)


def _environment_difference(explained: ExplainedDifference) -> str:
    """What is not the same here as where the run was made, in words."""
    then = {**explained.run.environment, **asdict(explained.run.known_numerics)}
    now = {**explained.sweep.record.environment, **asdict(explained.sweep.record.numerics)}
    differing = [
        f"{key} {then[key]} then, {now[key]} now" for key in then if key in now and then[key] != now[key]
    ]
    return ", ".join(differing) or "nothing that is recorded differs, so its rows or its weights are doubtful"


def _cells(effect: Effect) -> tuple[str, ...]:
    paired = effect.paired
    return (
        effect.name,
        f"{effect.n_changed:,} ({100 * effect.n_changed / effect.n:.1f} %)",
        f"{effect.n_gained:,}/{effect.n_lost:,}",
        f"{100 * paired.difference:+.2f}",
        points_interval((paired.low, paired.high)),
    )


def _of_gap(gap: Gap | None, entry: EntryT) -> tuple[EntryT, ...]:
    """The entry of a column that is there only where there is a gap."""
    return (entry,) if gap else ()


def _share(effect: Effect, gap: Gap | None) -> str:
    """How much of what is missing the effect brings, in percent."""
    return f"{100 * effect.paired.difference / gap.middle:+.0f} %" if gap else ""


def _words(one: JudgedEffect) -> str:
    at_most = f"at most {points_up(one.at_most)} points"
    match one.verdict:
        case EffectVerdict.PART:
            return f"explains part: {at_most}"
        case EffectVerdict.TOO_MUCH:
            paired = one.effect.paired
            return f"too much: at least {100 * min(abs(paired.low), abs(paired.high)):.2f} points"
        case EffectVerdict.CANNOT if one.at_most <= 0:
            return f"cannot: {'moves the other way' if one.effect.is_sure else 'no effect that way seen'}"
        case EffectVerdict.CANNOT:
            return f"cannot: effect {at_most}"
        case EffectVerdict.NOTHING_SEEN:
            return f"no effect seen: {at_most}"
        case verdict:
            return str(verdict)


def difference_json(explained: ExplainedDifference) -> dict[str, Any]:
    """Everything of the table, unrounded, as fractions."""
    sweep = explained.sweep.record
    return _gap_json(explained.run, explained.gap) | {
        "n": sweep.n,
        "n_run": sweep.n_run,
        "seed": sweep.seed,
        "computed_again": asdict(explained.again),
        "variations": [
            {
                **asdict(one.effect),
                "verdict": str(one.verdict),
                "at_most": one.at_most,
                "setting": sweep.settings[one.effect.name],
            }
            for one in explained.effects
        ],
        "untried": dict(sweep.untried),
    }


def nothing_json(run: RunRecord, gap: RunGap) -> dict[str, Any]:
    """The same where there is nothing to explain: no variation was tried."""
    return {**_gap_json(run, gap), "variations": []}


def _gap_json(run: RunRecord, gap: RunGap) -> dict[str, Any]:
    reference = gap.reference
    return {
        "run": run.run_id,
        "statement": gap.statement,
        "gap": None if gap.gap is None else asdict(gap.gap),
        "reference": reference and {"top1_pct": float(reference.top1_pct), "source": reference.source},
    }
