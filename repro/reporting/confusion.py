"""The page of one pair of classes: what they are, what they have in common, who takes which for which."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from repro.analysis.causes import CAUSES
from repro.catalogue.class_sizes import load_class_sizes, size_ratio
from repro.catalogue.classes import class_name, load_classes
from repro.catalogue.hierarchy import load_glosses, load_hierarchy
from repro.catalogue.overlaps import load_overlaps
from repro.reporting.errors import NO_REAL
from repro.reporting.figures import ratio_text
from repro.reporting.table import Column, Group, Table

if TYPE_CHECKING:
    import pandas as pd

    from repro.analysis.error_study import ErrorStudy

Pair = tuple[int, int]

ABOUT_EQUAL = 1.15
"""Sizes known to a factor of three do not differ where one is less than so many times the other."""


def classes_table(pair: Pair) -> Table:
    """Who the two are, and how near each other."""
    ancestor = load_hierarchy().lowest_common_ancestor(*pair)
    steps = load_hierarchy().semantic_distance(*pair)
    overlap = load_overlaps().get((min(pair), max(pair)))
    return Table(
        title=" and ".join(map(class_name, pair)),
        columns=(
            Column("Class"),
            Column("Number", "right"),
            Column("wnid"),
            Column("Longest side (cm)", "right"),
            Column("Definition"),
        ),
        groups=(Group("", tuple(map(_class_cells, pair))),),
        notes=(
            f"In common: both are a kind of {ancestor.name} ({ancestor.wnid}, depth {ancestor.depth}), "
            f"{steps} steps apart. {_sizes(size_ratio(*pair))}, by estimate.",
            *([f"They overlap: {overlap.ground}."] if overlap else []),
        ),
    )


def _sizes(ratio: float) -> str:
    if ratio < ABOUT_EQUAL:
        return "They are about equally large"
    return f"The larger is {ratio_text(ratio)} times the smaller"


def _class_cells(index: int) -> tuple[str, ...]:
    size = load_class_sizes()[index]
    return (
        class_name(index),
        str(index),
        load_classes()[index].wnid,
        _length(size.longest_side_cm) + (" (varies)" if size.varies else ""),
        load_glosses()[index],
    )


def _length(cm: float) -> str:
    return f"{cm:,.0f}" if cm >= 100 else f"{cm:.3g}"


def ways_table(pair: Pair, study: ErrorStudy) -> Table:
    """Both ways by run: errors and, of the images of the true class, how many."""
    rows = tuple((run, *_way(pair, run, study), *_way(pair[::-1], run, study)) for run in study.runs)
    a, b = map(class_name, pair)
    return Table(
        title="Who takes which for which",
        columns=(
            Column("Run"),
            *(
                Column(header, "right")
                for true, taken in ((a, b), (b, a))
                for header in (f"{true} → {taken}", "of images")
            ),
        ),
        groups=(Group("", rows),),
    )


def _way(pair: Pair, run: str, study: ErrorStudy) -> tuple[str, str]:
    errors, counts = study.errors, study.counts
    n = ((errors["run"] == run) & (errors["label"] == pair[0]) & (errors["predicted"] == pair[1])).sum()
    of = counts.loc[(counts["run"] == run) & (counts["class"] == pair[0]), "n_images"].sum()
    return f"{int(n):,}", f"{int(of):,}"


def images_table(errors: pd.DataFrame, study: ErrorStudy, limit: int) -> Table:
    """The images of the pair, most confident errors first within a run."""
    shown = errors.head(limit)
    return Table(
        title=f"{len(errors):,} errors of the pair",
        columns=(
            Column("Image"),
            Column("true"),
            Column("p true (%)", "right"),
            Column("taken for"),
            Column("p (%)", "right"),
            Column("ReaL labels", drop=2),
            Column("Cause"),
            Column("also", drop=3),
            Column("File", drop=4),
        ),
        groups=tuple(
            Group(str(run), tuple(_image_cells(row) for row in of.to_dict("records")))
            for run, of in shown.groupby("run", sort=False)
        ),
        notes=(
            *([f"{len(errors) - limit:,} more images with --limit."] if len(errors) > limit else []),
            "Cause: the first whose rule fires; also: the other rules that fire. p is empty where the run "
            "does not tell.",
            *([] if study.has_real_labels() else [NO_REAL]),
        ),
        grouped_by="Run",
    )


def _image_cells(row: dict[Any, Any]) -> tuple[str, ...]:
    real = row["real_labels"]
    return (
        row["image_id"],
        class_name(row["label"]),
        _percent(row["p_label"]),
        class_name(row["predicted"]),
        _percent(row["p_predicted"]),
        "" if real is None else ", ".join(map(class_name, real)) or "none",
        row["cause"],
        ", ".join(cause for cause in CAUSES if row[cause] and cause != row["cause"]),
        row["path"],
    )


def _percent(p: float) -> str:
    return "" if math.isnan(p) else f"{100 * p:.1f}"


def confusion_json(pair: Pair, errors: pd.DataFrame, study: ErrorStudy) -> dict[str, Any]:
    """The page as values; null for what a run does not tell."""
    ancestor = load_hierarchy().lowest_common_ancestor(*pair)
    overlap = load_overlaps().get((min(pair), max(pair)))
    keep = ("run", "image_id", "path", "label", "predicted", "p_label", "p_predicted", "real_labels", "cause")
    return {
        "classes": [
            {
                "index": index,
                "name": class_name(index),
                "wnid": load_classes()[index].wnid,
                "definition": load_glosses()[index],
                "longest_side_cm": load_class_sizes()[index].longest_side_cm,
            }
            for index in pair
        ],
        "lowest_common_ancestor": {"wnid": ancestor.wnid, "name": ancestor.name, "depth": ancestor.depth},
        "distance": load_hierarchy().semantic_distance(*pair),
        "size_ratio": size_ratio(*pair),
        "overlap": overlap.ground if overlap else None,
        "runs": study.runs,
        "images": [
            {name: _value(row[name]) for name in keep} | {"rules": [c for c in CAUSES if row[c]]}
            for row in errors.to_dict("records")
        ],
    }


def _value(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
