"""Two models on the same images, image by image: what a difference of accuracies is worth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import pyarrow as pa
import pyarrow.compute as pc

from repro.analysis.metrics import correct_images, scored_images
from repro.analysis.statistics import wilson_interval
from repro.exceptions import InvalidRun, UsageError


@dataclass(frozen=True, slots=True)
class PairedCounts:
    """How many images both got right, only one, neither; `n_agree` have the same prediction."""

    both: int
    only_first: int
    only_second: int
    neither: int
    n_agree: int

    @property
    def n(self) -> int:
        return self.both + self.only_first + self.only_second + self.neither

    @property
    def difference(self) -> Fraction:
        """Accuracy of the first minus that of the second.

        Raises:
            InvalidRun: there are no images.
        """
        if not self.n:
            raise InvalidRun("no difference: the two have no scored image in common")
        return Fraction(self.only_first - self.only_second, self.n)

    @property
    def agreement(self) -> Fraction:
        """The share of images with the same prediction, right or wrong."""
        return Fraction(self.n_agree, self.n)


def count_paired(first: pa.Table, second: pa.Table, common: bool = False) -> PairedCounts:
    """Counts over the images scored in both; `common` allows that each has images which the other lacks.

    Raises:
        UsageError: they are of different images, or give an image different labels or different bytes.
        InvalidRun: none was scored, or none in both.
    """
    ours, theirs = scored_images(first), scored_images(second)
    if not common:
        _refuse_other_images(first, second)
    shared = pc.is_in(ours["image_id"], value_set=theirs["image_id"].combine_chunks())
    ours = ours.filter(shared).sort_by("image_id")
    theirs = theirs.filter(pc.is_in(theirs["image_id"], ours["image_id"].combine_chunks())).sort_by(
        "image_id"
    )
    if not ours.num_rows:
        raise InvalidRun("nothing to compare: the two have no scored image in common")
    for column in ("label", "sha256"):
        _refuse_differing(ours, theirs, column)
    right, other_right = (correct_images(rows) for rows in (ours, theirs))
    best, other_best = (pc.list_element(rows["top5"], 0) for rows in (ours, theirs))
    return PairedCounts(
        both=_count(pc.and_(right, other_right)),
        only_first=_count(pc.and_not(right, other_right)),
        only_second=_count(pc.and_not(other_right, right)),
        neither=_count(pc.invert(pc.or_(right, other_right))),
        n_agree=_count(pc.equal(best, other_best)),
    )


def _count(mask: pa.ChunkedArray) -> int:
    return int(pc.sum(mask).as_py() or 0)


def _refuse_other_images(first: pa.Table, second: pa.Table) -> None:
    ours, theirs = (set(rows["image_id"].to_pylist()) for rows in (first, second))
    if ours == theirs:
        return
    only = sorted(ours ^ theirs)
    raise UsageError(
        f"runs of different images: {len(ours):,} and {len(theirs):,}, {len(ours & theirs):,} in both; "
        f"{only[0]} is in one alone",
        hint="evaluate both on the same images, or compare those in both with --common",
    )


def _refuse_differing(first: pa.Table, second: pa.Table, column: str) -> None:
    """Null, what an imported run does not tell, differs from nothing."""
    differs = pc.fill_null(pc.not_equal(first[column], second[column]), False)
    if n := _count(differs):
        image_id = first.filter(differs)["image_id"][0]
        raise UsageError(
            f"runs of different images: {n:,} have another {column} in the other run ({image_id}, …)"
        )


def difference_interval(counts: PairedCounts, confidence: float = 0.95) -> tuple[float, float]:
    """Newcombe's hybrid score interval of a difference of paired proportions (Newcombe 1998b, method 10)."""
    both, only_first, only_second, neither = (
        counts.both,
        counts.only_first,
        counts.only_second,
        counts.neither,
    )
    n = counts.n
    difference = float(counts.difference)
    p_first, p_second = (both + only_first) / n, (both + only_second) / n
    low_first, high_first = wilson_interval(both + only_first, n, confidence)
    low_second, high_second = wilson_interval(both + only_second, n, confidence)
    phi = _correlation(both, only_first, only_second, neither)

    def width(ours: float, theirs: float) -> float:
        return math.sqrt(max(ours**2 - 2 * phi * ours * theirs + theirs**2, 0.0))

    return (
        difference - width(p_first - low_first, high_second - p_second),
        difference + width(high_first - p_first, p_second - low_second),
    )


def _correlation(both: int, only_first: int, only_second: int, neither: int) -> float:
    """The correlation of the two, its numerator corrected for continuity where it is positive."""
    n = both + only_first + only_second + neither
    margins = (both + only_first) * (only_second + neither) * (both + only_second) * (only_first + neither)
    if not margins:
        return 0.0
    product = both * neither - only_first * only_second
    return (max(product - n / 2, 0.0) if product > 0 else product) / math.sqrt(margins)


def mcnemar_p(counts: PairedCounts) -> float:
    """McNemar's test (1947), exact and two-sided: do the images that only one gets right split evenly?"""
    from scipy.stats import binomtest

    discordant = counts.only_first + counts.only_second
    return float(binomtest(counts.only_first, discordant).pvalue) if discordant else 1.0


def corrected(p_values: Sequence[float]) -> list[float]:
    """The p-values corrected for their number, so that the share of false discoveries is held (BH 1995)."""
    from scipy.stats import false_discovery_control

    return [float(p) for p in false_discovery_control(list(p_values))] if p_values else []
