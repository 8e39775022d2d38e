"""The rule by which a fast copy of a network gives the decisions of fp32: `--precision exact-fast`.

The copy has its batch norms folded (`folding.py`), and computes at low precision, or in fp32 where that is as
fast. "In fp32" below is the network itself, plainly.

1. The first images (`CALIBRATION_IMAGES` or more, whole shards, the first of them spread over the
   classes) are computed both ways. `FACTOR` times the furthest that the copy moved one of their leads
   (`leads.py`) is the bound.
2. Of the others, every image with a lead within the bound is computed in fp32 as well, and decided by it.
   So is one of which the copy gives a logit that is not finite.
3. One in `CHECKED_OF` images, chosen by its name alone, is computed in fp32 in any case. One whose leads
   were moved further than the bound is a violated check: the bound is doubled until it covers all checks,
   and the images with leads within the wider bound are decided by fp32, too.

A decision differs from that of fp32 only if the copy moved a lead of an image further than the bound, *and*
the lead is small enough for that to turn it. As long as the first shard is as good as drawn from all, the
first alone happens to a further image with a chance of at most 1 / (n + 1), n being the images of that shard
and the factor being 1, whatever the distribution is; the factor, the second condition and the checks make it
rarer. n checks without a violation show with 95 % confidence that at most 3 / n of the images that were not
computed in fp32 were moved further than the bound.

The bound follows from the rows that are kept, so a run that was stopped goes on with the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import pyarrow as pa

from repro.evaluation.shards import Shard
from repro.results.predictions import SCHEMA
from repro.results.record import LowPrecision
from repro.specs import digest

RULE = 2
"""The version of this rule: part of what a run is known by."""

CALIBRATION_IMAGES = 256
FACTOR = 1.5
CHECKED_OF = 32

NAMES = {"bfloat16": "bf16", "float16": "fp16", "float32": "fp32-folded"}
"""In the column `precision`, of values that are not plainly fp32, by what they were computed in."""

EXACT_SCHEMA = SCHEMA.append(pa.field("lead", pa.float64())).append(pa.field("deviation", pa.float64()))
"""The rows while the run is under way: `lead` is the smallest one of the fast copy, `deviation` how far
that moved the leads, null where not both were computed."""


def is_checked(image_id: str) -> bool:
    """Whether the image is computed in fp32 in any case: one in `CHECKED_OF`, the same on every machine."""
    return int(digest(["checked", image_id])[:8], 16) % CHECKED_OF == 0


def count_calibration_shards(shard_images: int) -> int:
    """How many shards of `shard_images` are computed both ways."""
    return math.ceil(CALIBRATION_IMAGES / shard_images)


def count_calibration_images(shard_images: int) -> int:
    """How many images that is."""
    return count_calibration_shards(shard_images) * shard_images


class Calibration:
    """The bound, once all shards of the calibration have been seen; until then, infinite."""

    def __init__(self, n_shards: int) -> None:
        self.n_shards = n_shards
        self._furthest: dict[int, float] = {}

    def covers(self, shard: Shard) -> bool:
        return shard.index < self.n_shards

    def see(self, shard: Shard, rows: pa.Table) -> None:
        """Takes note of a finished shard."""
        if self.covers(shard):
            # Without one finite deviation there is nothing to go by: everything is computed in fp32.
            self._furthest[shard.index] = max(_deviations(rows), default=math.inf)

    @property
    def bound(self) -> float:
        whole = len(self._furthest) == self.n_shards
        return FACTOR * max(self._furthest.values()) if whole else math.inf


@dataclass(frozen=True, slots=True)
class Judged:
    """What a whole run's rows say: which images must still be decided by fp32, and what is recorded."""

    redo: frozenset[str]
    record: LowPrecision


def judge(rows: pa.Table, first_bound: float, n_calibrated: int, dtype: str) -> Judged:
    """Widens the bound where a check is violated; `rows` are those of `EXACT_SCHEMA`, calibration first."""
    further = rows.slice(n_calibrated).select(["image_id", "precision", "lead", "deviation"]).to_pylist()
    further = [row for row in further if row["lead"] is not None]
    checks = [
        row
        for row in further
        if row["lead"] > first_bound and is_checked(row["image_id"]) and row["deviation"] is not None
    ]
    violations = [row["deviation"] for row in checks if row["deviation"] > first_bound]
    bound = first_bound
    while violations and bound < max(violations):
        bound = 2 * bound or max(violations)
    low = [row for row in further if row["precision"] == NAMES[dtype]]
    redo = frozenset(row["image_id"] for row in low if row["lead"] <= bound)
    record = LowPrecision(
        mode="exact-fast",
        dtype=dtype,
        rule=RULE,
        first_bound=_finite(first_bound),
        bound=_finite(bound),
        n_calibrated=min(n_calibrated, len(rows)),
        n_undecided=sum(row["lead"] <= bound for row in further),
        n_low=len(low) - len(redo),
        n_checked=len(checks),
        n_violated=len(violations),
    )
    return Judged(redo, record)


def _deviations(rows: pa.Table) -> list[float]:
    return [value for value in rows["deviation"].to_pylist() if value is not None]


def _finite(bound: float) -> float | None:
    return bound if math.isfinite(bound) else None
