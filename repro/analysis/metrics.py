"""Metrics: pure functions of a run's rows; integers are counted first and divided once, at the end."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from repro.doctor.real import RealLabels, val_places
from repro.exceptions import InvalidRun
from repro.results.predictions import OK
from repro.results.summary import hits
from repro.specs import N_CLASSES


@dataclass(frozen=True, slots=True)
class WrongAnswer:
    """An image whose best class is not the true one; probabilities are None where the rows lack them."""

    image_id: str
    path: str
    label: int
    predicted: int
    p_predicted: float | None
    p_label: float | None


@dataclass(frozen=True, slots=True)
class RealCount:
    """How many of `n` scored images, all that have ReaL labels, are right; `n_without` have none."""

    correct: int
    n: int
    n_without: int

    @property
    def accuracy(self) -> Fraction:
        return Fraction(self.correct, self.n)


def accuracy(rows: pa.Table, k: int = 1) -> Fraction:
    """Top-k accuracy over the scored images (micro): correct / n.

    Raises:
        InvalidRun: no image was scored, or the rows do not tell who is among the best `k`.
    """
    correct = correct_images(scored_images(rows), k)
    return Fraction(int(pc.sum(correct).as_py()), len(correct))


def mean_class_accuracy(rows: pa.Table, k: int = 1) -> Fraction:
    """Top-k accuracy of each class that has images, averaged over these classes (macro).

    Raises:
        InvalidRun: no image was scored, or the rows do not tell who is among the best `k`.
    """
    scored = scored_images(rows)
    classes = pa.table({"label": scored["label"], "hit": correct_images(scored, k)})
    classes = classes.group_by("label").aggregate([("hit", "sum"), ("hit", "count")])
    accuracies = [Fraction(c["hit_sum"], c["hit_count"]) for c in classes.to_pylist()]
    return sum(accuracies, Fraction()) / len(accuracies)


def real_accuracy(rows: pa.Table, real: RealLabels, k: int = 1) -> RealCount:
    """By ReaL's labels (Beyer et al. 2020): right if one of an image's best `k` classes is among them.

    Raises:
        InvalidRun: no scored image has such labels, or one that has lists fewer than `k` classes.
    """
    scored = rows.filter(pc.equal(rows["status"], OK))
    ids = scored["image_id"].to_pylist()
    images = val_places(ids)
    inside = (images >= 0) & (images < len(real.labelled))
    inside[inside] = real.labelled[images[inside]]
    n = int(np.count_nonzero(inside))
    if not n:
        raise InvalidRun(f"no accuracy: none of {len(ids):,} scored images has ReaL labels")
    best = scored["top5"].filter(pa.array(inside))
    listed = pc.fill_null(pc.list_value_length(best), 0)
    if pc.min(listed).as_py() < k:
        raise InvalidRun(f"no Top-{k}: the predictions list fewer than {k} classes an image")
    predicted = np.array([classes[:k] for classes in best.to_pylist()], dtype=np.int64)
    seen = np.isin(images[inside][:, None] * N_CLASSES + predicted, real.images * N_CLASSES + real.classes)
    return RealCount(correct=int(np.count_nonzero(seen.any(axis=1))), n=n, n_without=len(ids) - n)


def mistakes(rows: pa.Table) -> list[WrongAnswer]:
    """The images whose best class is wrong, most confident first.

    Raises:
        InvalidRun: no image was scored, or one was scored without a prediction.
    """
    scored = scored_images(rows)
    wrong = scored.filter(pc.invert(correct_images(scored))).to_pylist()
    found = (
        WrongAnswer(
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


def with_status_ok(rows: pa.Table) -> pa.Table:
    """These rows; where they are all, without the copy of each column that a filter makes."""
    ok = pc.equal(rows["status"], OK)
    return rows if pc.all(ok).as_py() else rows.filter(ok)


def scored_images(rows: pa.Table) -> pa.Table:
    """The rows with a prediction.

    Raises:
        InvalidRun: there are none, or one that was scored has none.
    """
    scored = with_status_ok(rows)
    if not scored.num_rows:
        raise InvalidRun(f"no accuracy: none of {rows.num_rows:,} images was scored")
    without = pc.and_(pc.is_null(scored["rank"]), pc.is_null(scored["top5"]))
    if n_without := pc.sum(without).as_py():
        raise InvalidRun(
            f"no accuracy: {n_without:,} of {scored.num_rows:,} scored images have no prediction"
        )
    return scored


def correct_images(scored: pa.Table, k: int = 1) -> pa.ChunkedArray:
    """Whether each scored row has the true class among its best `k`.

    Raises:
        InvalidRun: the predictions list fewer than `k` classes.
    """
    correct = hits(scored, k)
    if correct is None:
        raise InvalidRun(f"no Top-{k}: the predictions list fewer than {k} classes an image")
    return correct
