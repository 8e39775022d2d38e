"""The study of causes as tables: by model and token mixer, differences, pairs, others' counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from repro.analysis.cause_pairs import ANY, Base
from repro.analysis.family_pairs import MIN_ERRORS
from repro.analysis.probed import Probed
from repro.analysis.shares import Share
from repro.analysis.study import CauseDifference, CauseStudy, Scope
from repro.catalogue.classes import class_name
from repro.catalogue.error_types import N_IMAGES, SOURCE, load_error_types
from repro.reporting.figures import p_text, points_interval, ratio_text
from repro.reporting.probes import confidence_text, control_words
from repro.reporting.table import Column, Group, Table

if TYPE_CHECKING:
    import pandas as pd

    from repro.analysis.family_pairs import FamilyPairs

_NOUN = {Scope.GENUINE: "genuine errors", Scope.ALL: "errors"}

MOST_DIFFERENCES = 40
MOST_PAIRS = 15


def shares_table(study: CauseStudy, scope: Scope) -> Table:
    """One group a model, then one a token mixer of several; shares in percent."""
    families = [family for family in study.families if len(family.runs) > 1]
    groups = [
        Group(
            f"{run.name} ({run.token_mixer}): {run.n_errors[scope]:,} {_NOUN[scope]}",
            _share_rows(run.shares[scope]),
        )
        for run in study.runs
    ]
    groups += [
        Group(
            f"All {len(family.runs)} of {family.token_mixer}: {family.n_errors[scope]:,} {_NOUN[scope]}",
            _share_rows(family.shares[scope]),
        )
        for family in families
    ]
    return Table(
        title=f"Causes of {scope}" + ("" if scope is Scope.GENUINE else ", with acceptable labels"),
        columns=(
            Column("Cause"),
            Column("Errors", "right"),
            Column("Share (%)", "right"),
            Column("95% interval", "right"),
        ),
        groups=tuple(groups),
        notes=(
            "Interval: Wilson's"
            + ("; of several models, it allows for errors in the same image." if families else "."),
            *([_GENUINE] if scope is Scope.GENUINE else []),
        ),
        grouped_by="Model",
    )


_GENUINE = "Genuine: not an acceptable label, not an image without a valid label, not of overlapping classes."


def _share_rows(shares: Mapping[str, Share]) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (cause, f"{share.n:,}", f"{100 * share.fraction:.1f}", share_interval(share))
        for cause, share in shares.items()
    )


def share_interval(share: Share) -> str:
    return f"{100 * share.low:.1f}–{100 * share.high:.1f}"


def differences_table(study: CauseStudy, scope: Scope, every: bool = False) -> Table:
    """Every two models, every cause, on both bases; of many, those with the smallest p, or `every` one."""
    found = [one for one in study.differences if one.scope is scope]
    shown = found
    if len(found) > MOST_DIFFERENCES and not every:
        shown = sorted(found, key=lambda one: (one.p_corrected, one.p))[:MOST_DIFFERENCES]
    pairs = list(dict.fromkeys((one.first, one.second) for one in shown))
    groups = [
        Group(
            _versus(study, first, second),
            tuple(_difference_cells(one) for one in shown if (one.first, one.second) == (first, second)),
        )
        for first, second in pairs
    ]
    left = len(found) - len(shown)
    return Table(
        title=f"Two models on the same images: {scope}"
        + ("" if scope is Scope.GENUINE else ", with acceptable labels"),
        columns=(
            Column("Of"),
            Column("Cause"),
            Column("Images", "right", drop=3),
            Column("first (%)", "right", drop=1),
            Column("second (%)", "right", drop=1),
            Column("only first/second", "right", drop=2),
            Column("Difference (points)", "right"),
            Column("95% interval", "right"),
            Column("p corrected", "right"),
            Column("Finding", colours={"no difference shown": "yellow"}),
        ),
        groups=tuple(groups),
        notes=(
            "Difference: of the rate of the first minus that of the second, with Agresti and Min's interval "
            f"for matched pairs; p: McNemar's exact test, corrected for {len(found)} comparisons (Holm).",
            *([f"{left:,} more comparisons, of larger p, are in --format json."] if left else []),
        ),
        grouped_by="Models",
    )


def _versus(study: CauseStudy, first: str, second: str) -> str:
    a, b = (f"{study.names[run]} ({study.token_mixers[run]})" for run in (first, second))
    return f"{a} against {b}"


def _difference_cells(one: CauseDifference) -> tuple[str, ...]:
    first, second = one.rates
    both = "both wrong" if one.scope is Scope.ALL else "genuine errors of both"
    return (
        "all images" if one.base is Base.IMAGES else both,
        one.cause if one.cause != ANY or one.scope is Scope.ALL else "any genuine error",
        f"{one.counts.n:,}",
        f"{100 * first:.2f}",
        f"{100 * second:.2f}",
        f"{one.counts.only_first:,}/{one.counts.only_second:,}",
        f"{100 * (first - second):+.2f}",
        points_interval(one.interval),
        p_text(one.p_corrected),
        _finding(one),
    )


def _finding(one: CauseDifference) -> str:
    if not one.shown:
        return "no difference shown"
    first, second = one.rates
    return "first has more" if first > second else "second has more"


def every_run_table(pairs: FamilyPairs, n_runs: int) -> Table:
    shown = pairs.every_run.head(MOST_PAIRS)
    return Table(
        title="Confusions among genuine errors that every model makes",
        columns=_PAIR_COLUMNS,
        groups=(Group("", _pair_rows(shown)),),
        notes=(
            f"{len(pairs.every_run):,} of {pairs.n_pairs:,} pairs are made by all {n_runs} runs, "
            f"in whatever image; the {len(shown)} most frequent.",
        ),
    )


def one_family_table(pairs: FamilyPairs, alone: pd.DataFrame) -> Table:
    families = list(alone.groupby("token_mixer", sort=False))
    groups = [Group(str(mixer), _pair_rows(of.head(MOST_PAIRS))) for mixer, of in families]
    return Table(
        title="Confusions among genuine errors that models with one token mixer alone make",
        columns=_PAIR_COLUMNS,
        groups=tuple(groups),
        notes=(
            f"{len(alone):,} of the {pairs.n_frequent:,} pairs of {MIN_ERRORS} errors or more; "
            f"{pairs.by_chance:.1f} would be, if images fell to one token mixer alone in each pair as often "
            "as in all. No single pair was tested.",
            *([_CUT] if any(len(of) > MOST_PAIRS for _, of in families) else []),
        ),
        grouped_by="Token mixer",
    )


_CUT = f"Of each token mixer the {MOST_PAIRS} most frequent; all are in --format json."

_PAIR_COLUMNS = (
    Column("True class"),
    Column("taken for"),
    Column("Errors", "right"),
    Column("Size ratio", "right"),
    Column("Main cause"),
)


def _pair_rows(pairs: pd.DataFrame) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (
            class_name(int(row["label"])),
            class_name(int(row["predicted"])),
            f"{row['count']:,}",
            ratio_text(row["size_ratio"]),
            str(row["main_cause"]),
        )
        for row in pairs.to_dict("records")
    )


def published_table(study: CauseStudy, models: dict[str, str]) -> Table | None:
    """Ours and theirs below each other, never mixed; None where no model is one of theirs."""
    published = load_error_types()
    groups = []
    for run in study.runs:
        if (theirs := published.get(models[run.run])) is None:
            continue
        shares, n_errors = run.shares[Scope.ALL], run.n_errors[Scope.ALL]
        ours = [(cause, f"{share.n:,}", f"{100 * share.fraction:.1f}") for cause, share in shares.items()]
        groups.append(
            Group(
                f"{run.name}, here: {n_errors:,} errors in {study.n_images:,} images",
                tuple(ours),
            )
        )
        rows = ((name, f"{n:,}", f"{100 * n / theirs.n_errors:.1f}") for name, n in theirs.counts.items())
        heading = f"{run.name}, {SOURCE}: {theirs.n_errors:,} errors in {N_IMAGES:,} images"
        groups.append(Group(heading, tuple(rows)))
    if not groups:
        return None
    return Table(
        title="Types of errors that others published",
        columns=(Column("Type"), Column("Errors", "right"), Column("Share (%)", "right")),
        groups=tuple(groups),
        notes=(
            f"{SOURCE} sorted errors of {N_IMAGES:,} validation images by rules of their own, on other "
            "images and with other types: the two lists stand beside each other, and are never mixed.",
        ),
        grouped_by="Counted by",
    )


def study_probes_table(study: CauseStudy, probed: Sequence[Probed]) -> Table:
    """Rates by any dose that counts, with control and excess."""
    rows = []
    for one in probed:
        effect = one.attribution.any_dose
        low, high = effect.interval()
        rows.append(
            (
                study.names[one.run],
                one.kind,
                one.of,
                f"{effect.rescued.changed:,} of {effect.rescued.n:,}",
                f"{100 * effect.rescued.fraction:.1f}",
                f"{effect.broken.changed:,} of {effect.broken.n:,}",
                f"{100 * effect.broken.fraction:.1f}",
                f"{100 * effect.excess:+.1f}",
                f"{100 * low:+.1f} to {100 * high:+.1f}",
                confidence_text(one.attribution),
            )
        )
    return Table(
        title="What probes drive",
        columns=(
            Column("Model"),
            Column("Kind"),
            Column("Of"),
            Column("Errors turned right", "right", drop=1),
            Column("(%)", "right"),
            Column("Controls turned wrong", "right", drop=1),
            Column("(%)", "right"),
            Column("Excess (points)", "right"),
            Column("95% interval", "right"),
            Column("Confidence of errors/controls", "right"),
        ),
        groups=(Group("", tuple(rows)),),
        notes=(
            f"By any dose that counts. {control_words(one.attribution for one in probed)} Only the "
            "excess over controls speaks for a cause. Candidates are held against the controls of all errors "
            "probed.",
        ),
    )
