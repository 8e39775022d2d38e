"""The errors of runs as tables: ranked pairs, causes, the effect of a threshold, ImageNet-X's factors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from repro.analysis.causes import ACCEPTABLE, CAUSES, FINE_GRAINED, NO_LABEL, cause_shares
from repro.catalogue.classes import class_name
from repro.reporting.figures import p_text, ratio_text
from repro.reporting.table import Column, Group, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from repro.analysis.error_study import ErrorStudy

MAX_RUN_COLUMNS = 6
"""More runs than these have no columns of their own."""

NO_REAL = (
    f"ReaL labels: none of these images has them, so neither {ACCEPTABLE} nor {NO_LABEL} can be a cause; "
    "what is known of two classes from ReaL's own images holds all the same."
)


def pairs_table(
    pairs: pd.DataFrame, study: ErrorStudy, limit: int, what: str, symmetric: bool, chance: bool
) -> Table:
    """The first `limit` pairs; `what` says of which errors they are, `chance` whether chance is told."""
    shown = pairs.head(limit)
    return Table(
        title=f"Confusions: {int(pairs['count'].sum()):,} errors in {len(pairs):,} pairs{what}",
        columns=(
            Column("Class" if symmetric else "True class"),
            Column("and" if symmetric else "taken for"),
            Column("Errors", "right"),
            *((Column("forth", "right"), Column("back", "right")) if symmetric else ()),
            *((Column("by run", "right", drop=2),) if 1 < len(study.runs) <= MAX_RUN_COLUMNS else ()),
            *((Column("Runs", "right", drop=3),) if len(study.runs) > MAX_RUN_COLUMNS else ()),
            Column("Rate (%)", "right"),
            *((Column("by chance", "right", drop=1), Column("p corrected", "right")) if chance else ()),
            Column("Depth", "right", drop=1),
            Column("Steps", "right", drop=4),
            Column("Size ratio", "right", drop=4),
            Column("Main cause"),
        ),
        groups=(Group("", tuple(_pair_cells(row, study, symmetric, chance) for row in _records(shown))),),
        notes=(
            *([f"{len(pairs) - limit:,} more pairs with --limit."] if len(pairs) > limit else []),
            f"Rate: of the images of {'both classes' if symmetric else 'the true class'}. {_NEARNESS}",
            *([_CHANCE] if chance else []),
            *([f"by run: {', '.join(study.runs)}."] if 1 < len(study.runs) <= MAX_RUN_COLUMNS else []),
            *([] if study.has_real_labels() else [NO_REAL]),
        ),
    )


_NEARNESS = (
    "Depth: of the lowest common ancestor in WordNet; the deeper, the more alike. Steps: from the one class "
    "over it to the other. Size ratio: of the sizes of the things, estimated."
)

_CHANCE = (
    "by chance: errors if each class's fell on the others as all wrong predictions of the run do; p: of so "
    "many or more in the run that shows it most (Poisson), times the runs, corrected for all pairs that "
    "could occur (Benjamini-Hochberg)."
)


def _pair_cells(row: dict[str, Any], study: ErrorStudy, symmetric: bool, chance: bool) -> tuple[str, ...]:
    n_runs = len(study.runs)
    by_run = [str(row["by_run"].get(run, 0)) for run in study.runs]
    return (
        class_name(row["label"]),
        class_name(row["predicted"]),
        f"{row['count']:,}",
        *((f"{row['forth']:,}", f"{row['back']:,}") if symmetric else ()),
        *((" + ".join(by_run),) if 1 < n_runs <= MAX_RUN_COLUMNS else ()),
        *((f"{row['n_runs']} of {n_runs}",) if n_runs > MAX_RUN_COLUMNS else ()),
        f"{100 * row['rate']:.1f}",
        *((f"{row['expected']:.2f}", p_text(row["p_corrected"])) if chance else ()),
        str(row["depth"]),
        str(row["distance"]),
        ratio_text(row["size_ratio"]),
        row["main_cause"],
    )


_OF_MODELS = "For size and shape two models or more make the pair."

_OF_ONE_MODEL = "For size and shape two models or more must make the pair; here is one, so there are none."


def causes_table(study: ErrorStudy, names: Mapping[str, str]) -> Table:
    """The share of each cause, over all runs and by run; `names` is what the runs are called."""
    errors = study.errors
    runs = study.runs if 1 < len(study.runs) <= MAX_RUN_COLUMNS else []
    of_run = {run: errors[errors["run"] == run] for run in runs}

    def cells(cause: str) -> tuple[str, ...]:
        n = int((errors["cause"] == cause).sum())
        shares = [_share(int((of["cause"] == cause).sum()), len(of)) for of in of_run.values()]
        return cause, f"{n:,}", _share(n, len(errors)), f"{int(errors[cause].sum()):,}", *shares

    return Table(
        title=f"Causes of {len(errors):,} errors",
        columns=(
            Column("Cause"),
            Column("Errors", "right"),
            Column("Share (%)", "right"),
            Column("rule fires", "right", drop=2),
            *(Column(f"{names[run]} (%)", "right", drop=1) for run in runs),
        ),
        groups=(Group("", tuple(map(cells, CAUSES))),),
        notes=(
            "An error has the first cause whose rule fires; rule fires: in how many errors, first or not.",
            "Candidates are to be tested by probes, not believed. "
            + (_OF_MODELS if len(set(study.models.values())) > 1 else _OF_ONE_MODEL),
            *([] if study.has_real_labels() else [NO_REAL]),
        ),
    )


def thresholds_table(study: ErrorStudy) -> Table:
    """What the shares would be at other depths of fine-grained."""
    shares = cause_shares(study.errors)
    moved = shares[shares.nunique(axis=1) > 1]
    rows = tuple(
        (str(cause), *(f"{100 * share:.1f}" for share in of_cause))
        for cause, of_cause in zip(moved.index, moved.to_numpy(), strict=True)
    )
    return Table(
        title=f"Shares of errors (%) by the depth from which on a pair is {FINE_GRAINED}",
        columns=(Column("Cause"), *(Column(f"depth {depth}", "right") for depth in shares)),
        groups=(Group("", rows),),
        notes=(f"Taken here: {study.depth}. Causes that do not depend on it are left out.",),
    )


def factors_table(ratios: Mapping[str, pd.DataFrame]) -> Table:
    """ImageNet-X: one group a run."""
    return Table(
        title="Errors by ImageNet-X's factors",
        columns=(
            Column("Factor"),
            Column("Images", "right"),
            Column("Errors", "right"),
            Column("Error (%)", "right"),
            Column("Ratio", "right"),
            Column("95% interval", "right"),
        ),
        groups=tuple(Group(run, tuple(map(_factor_cells, _records(of)))) for run, of in ratios.items()),
        notes=(
            "What sets an image apart most from its class's prototypical images, which are left out. Ratio: "
            "the error by that of all; its interval is that of the error alone (Wilson).",
        ),
        grouped_by="Run",
    )


def _factor_cells(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        row["factor"].replace("_", " "),
        f"{row['n']:,}",
        f"{row['n_wrong']:,}",
        f"{100 * row['error']:.2f}",
        f"{row['ratio']:.4f}",
        f"{row['low']:.2f}–{row['high']:.2f}",
    )


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as dictionaries of Python's own values."""
    return [{str(name): value for name, value in row.items()} for row in rows.to_dict("records")]


def _share(n: int, of: int) -> str:
    return f"{100 * n / of:.1f}" if of else ""


def errors_json(
    pairs: pd.DataFrame, study: ErrorStudy, limit: int, chance: bool, ratios: Mapping[str, pd.DataFrame]
) -> dict[str, Any]:
    """Counts as integers, shares and rates as fractions; classes by index and name."""
    errors = study.errors
    left_out = () if chance else ("expected", "p", "p_corrected")
    listed = [_pair_json(row, left_out) for row in _records(pairs.head(limit))]
    shares = cause_shares(errors)
    return {
        "runs": study.runs,
        "models": dict(study.models),
        "n_errors": len(errors),
        "n_pairs": len(pairs),
        "depth": study.depth,
        "real_labels": study.has_real_labels(),
        "causes": {cause: int((errors["cause"] == cause).sum()) for cause in CAUSES},
        "shares_by_depth": {str(depth): of.to_dict() for depth, of in shares.items()},
        "pairs": listed,
        "factors": {run: _records(of) for run, of in ratios.items()},
    }


def _pair_json(row: dict[str, Any], left_out: Sequence[str]) -> dict[str, Any]:
    names = {"label_name": class_name(row["label"]), "predicted_name": class_name(row["predicted"])}
    return {name: value for name, value in row.items() if name not in left_out} | names
