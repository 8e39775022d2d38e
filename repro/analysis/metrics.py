"""Metrics: pure functions of a run's rows; integers are counted first and divided once, at the end."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import pyarrow as pa
import pyarrow.compute as pc

from repro.exceptions import InvalidRun
from repro.results.predictions import OK
from repro.results.summary import count_correct


@dataclass(frozen=True, slots=True)
class Mistake:
    """An image whose best class is not the true one; probabilities are None where the rows lack them."""

    image_id: str
    path: str
    label: int
    predicted: int
    p_predicted: float | None
    p_label: float | None


def accuracy(rows: pa.Table, k: int = 1) -> Fraction:
    """Top-k accuracy over the scored images (micro): correct / n.

    Raises:
        InvalidRun: no image was scored, or one was scored without a rank.
    """
    scored = _require_ranks(rows)
    return Fraction(count_correct(scored, k), scored.num_rows)


def mean_class_accuracy(rows: pa.Table, k: int = 1) -> Fraction:
    """Top-k accuracy of each class that has images, averaged over these classes (macro).

    Raises:
        InvalidRun: no image was scored, or one was scored without a rank.
    """
    scored = _require_ranks(rows)
    hits = pa.table({"label": scored["label"], "hit": pc.less(scored["rank"], k)})
    classes = hits.group_by("label").aggregate([("hit", "sum"), ("hit", "count")])
    accuracies = [Fraction(c["hit_sum"], c["hit_count"]) for c in classes.to_pylist()]
    return sum(accuracies, Fraction()) / len(accuracies)


def mistakes(rows: pa.Table) -> list[Mistake]:
    """The images whose best class is wrong, most confident first.

    Raises:
        InvalidRun: no image was scored, or one was scored without a rank.
    """
    scored = _require_ranks(rows)
    wrong = scored.filter(pc.greater_equal(scored["rank"], 1)).to_pylist()
    found = (
        Mistake(
            image_id=row["image_id"],
            path=row["path"],
            label=row["label"],
            predicted=row["top5"][0],
            p_predicted=row["p_top5"][0] if row["p_top5"] else None,
            p_label=row["p_label"],
        )
        for row in wrong
    )
    return sorted(found, key=lambda m: (-(m.p_predicted or 0.0), m.image_id))


def _require_ranks(rows: pa.Table) -> pa.Table:
    scored = rows.filter(pc.equal(rows["status"], OK))
    if not scored.num_rows:
        raise InvalidRun(f"no accuracy: none of {rows.num_rows:,} images was scored")
    if without := scored["rank"].null_count:
        raise InvalidRun(f"no accuracy: {without:,} of {scored.num_rows:,} scored images have no rank")
    return scored
