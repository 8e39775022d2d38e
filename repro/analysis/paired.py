"""Two models on the same images, image by image: what a difference of accuracies is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc

from repro.analysis.metrics import correct_images, scored_images
from repro.analysis.statistics import PairedDifference, exact_intervals, paired_differences
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
    def agreement(self) -> Fraction:
        """The share of images with the same prediction, right or wrong."""
        return Fraction(self.n_agree, self.n)


def differ_each(counts: Sequence[PairedCounts]) -> list[PairedDifference]:
    """Of each: the rate of the first minus that of the second, with its 95 % interval and p.

    Raises:
        InvalidRun: one has no images.
    """
    columns = ([one.only_first for one in counts], [one.only_second for one in counts])
    return paired_differences(*columns, [one.n for one in counts])


def not_excluded(counts: Sequence[PairedCounts], confidence: float = 0.95) -> float:
    """How far apart, either way, the rates in any of these may be: what is more is excluded."""
    columns = ([one.only_first for one in counts], [one.only_second for one in counts])
    intervals = exact_intervals(*columns, [one.n for one in counts], confidence)
    return max(abs(end) for interval in intervals for end in interval)


@dataclass(frozen=True, slots=True)
class ScoredImages:
    """A run laid out to be compared with many: `listed` are the ids of all its images.

    Of those scored `rows` has `image_id` (sorted), `label`, `sha256`, `right` and `best`, the class.
    """

    listed: pa.Array
    rows: pa.Table

    @classmethod
    def of(cls, run: pa.Table) -> Self:
        """Lays out the rows of `predictions.parquet`.

        Raises:
            InvalidRun: none was scored.
        """
        scored = scored_images(run)
        columns = {name: scored[name] for name in ("image_id", "label", "sha256")}
        columns |= {"right": correct_images(scored), "best": pc.list_element(scored["top5"], 0)}
        rows = pa.table(columns).sort_by("image_id").combine_chunks()
        return cls(run["image_id"].combine_chunks().sort(), rows)


def count_paired(first: pa.Table, second: pa.Table, common: bool = False) -> PairedCounts:
    """Counts over the images scored in both; `common` allows that each has images which the other lacks.

    Raises:
        UsageError: they are of different images, or give an image different labels or different bytes.
        InvalidRun: none was scored, or none in both.
    """
    return count_laid_out(ScoredImages.of(first), ScoredImages.of(second), common)


def count_laid_out(first: ScoredImages, second: ScoredImages, common: bool = False) -> PairedCounts:
    """The same of runs that are laid out.

    Raises:
        UsageError: they are of different images, or give an image different labels or different bytes.
        InvalidRun: none was scored in both.
    """
    if not common and not first.listed.equals(second.listed):
        raise _different_images(first.listed, second.listed)
    ours, theirs = first.rows, second.rows
    if not ours["image_id"].equals(theirs["image_id"]):
        ours, theirs = (
            one.filter(pc.is_in(one["image_id"], value_set=other["image_id"].combine_chunks()))
            for one, other in ((ours, theirs), (theirs, ours))
        )
    if not ours.num_rows:
        raise InvalidRun("nothing to compare: the two have no scored image in common")
    for column in ("label", "sha256"):
        _refuse_differing(ours, theirs, column)
    right, other_right = ours["right"], theirs["right"]
    return PairedCounts(
        both=_count(pc.and_(right, other_right)),
        only_first=_count(pc.and_not(right, other_right)),
        only_second=_count(pc.and_not(other_right, right)),
        neither=_count(pc.invert(pc.or_(right, other_right))),
        n_agree=_count(pc.equal(ours["best"], theirs["best"])),
    )


def _count(mask: pa.ChunkedArray) -> int:
    return int(pc.sum(mask).as_py() or 0)


def _different_images(first: pa.Array, second: pa.Array) -> UsageError:
    ours, theirs = (set(ids.to_pylist()) for ids in (first, second))
    only = sorted(ours ^ theirs)
    return UsageError(
        f"runs of different images: {len(ours):,} and {len(theirs):,}, {len(ours & theirs):,} in both; "
        f"{only[0]} is in one alone",
        hint="evaluate both on the same images, or compare those in both with --common",
    )


def _refuse_differing(first: pa.Table, second: pa.Table, column: str) -> None:
    """Null, what an imported run does not tell, differs from nothing."""
    if first[column].equals(second[column]):
        return
    differs = pc.fill_null(pc.not_equal(first[column], second[column]), False)
    if n := _count(differs):
        image_id = first.filter(differs)["image_id"][0]
        raise UsageError(
            f"runs of different images: {n:,} have another {column} in the other run ({image_id}, …)"
        )
