"""All that is said of a run's accuracy, from its rows alone; and of every two runs, image by image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

import pyarrow as pa

from repro.analysis.calibration import CalibrationBin, calibration_bins, calibration_error, log_loss
from repro.analysis.metrics import RealCount, accuracy, mean_class_accuracy, real_accuracy, scored_images
from repro.analysis.paired import PairedCounts, ScoredImages, count_laid_out, differ_each
from repro.analysis.statistics import PairedDifference, holm, wilson_interval
from repro.doctor.real import load_real_labels
from repro.exceptions import InvalidRun


@dataclass(frozen=True, slots=True)
class RunMetrics:
    """Accuracies as fractions; None for what the rows do not tell (no ReaL labels, no probabilities, …)."""

    run_id: str
    n: int
    top1: Fraction
    top1_interval: tuple[float, float]
    top5: Fraction | None
    mean_class: Fraction
    real: RealCount | None
    bins: list[CalibrationBin] | None
    log_loss: float | None

    @property
    def calibration_error(self) -> float | None:
        return None if self.bins is None else calibration_error(self.bins)


@dataclass(frozen=True, slots=True)
class PairComparison:
    """Two runs, `first` minus `second`; `p_corrected` is Holm's over all the pairs compared."""

    first: str
    second: str
    counts: PairedCounts
    paired: PairedDifference
    p_corrected: float


def measure_run(run_id: str, rows: pa.Table) -> RunMetrics:
    """The metrics of a run.

    Raises:
        InvalidRun: no image was scored.
    """
    top1 = accuracy(rows)
    n = scored_images(rows).num_rows
    return RunMetrics(
        run_id=run_id,
        n=n,
        top1=top1,
        top1_interval=wilson_interval(int(top1 * n), n),
        top5=_or_none(rows),
        mean_class=mean_class_accuracy(rows),
        real=_real(rows),
        bins=calibration_bins(rows),
        log_loss=log_loss(rows),
    )


def _or_none(rows: pa.Table) -> Fraction | None:
    try:
        return accuracy(rows, 5)
    except InvalidRun:  # imported predictions may list the best class alone
        return None


def _real(rows: pa.Table) -> RealCount | None:
    real = load_real_labels()
    if real is None:
        return None
    try:
        return real_accuracy(rows, real)
    except InvalidRun:  # none of the images is one of ImageNet val
        return None


def compare_pairs(runs: Mapping[str, pa.Table], common: bool = False) -> Sequence[PairComparison]:
    """Every two of the runs (rows by id), in their order.

    Raises:
        UsageError: they are not of the same images.
        InvalidRun: two have no scored image in common.
    """
    pairs = list(combinations(runs, 2))
    laid_out = {run: ScoredImages.of(rows) for run, rows in runs.items()}
    counts = [count_laid_out(laid_out[first], laid_out[second], common) for first, second in pairs]
    paired = differ_each(counts)
    p_values = holm([p.p for p in paired])
    return [
        PairComparison(first, second, c, difference, p)
        for (first, second), c, difference, p in zip(pairs, counts, paired, p_values, strict=True)
    ]
