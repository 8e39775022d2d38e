"""How far a model's probabilities can be believed: expected calibration error and log loss."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from repro.analysis.metrics import correct_images, scored_images

N_BINS = 15
"""The customary number (Guo et al. 2017, section 4)."""


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """The images whose best class has a probability in (low, high]; means of probability and accuracy."""

    low: float
    high: float
    n: int
    mean_p: float
    accuracy: float


def calibration_bins(rows: pa.Table) -> list[CalibrationBin] | None:
    """The bins of equal width that have images, lowest first; None where the rows have no probabilities.

    Raises:
        InvalidRun: no image was scored.
    """
    import numpy as np

    scored = scored_images(rows)
    if scored["p_top5"].null_count:
        return None
    p = pc.list_element(scored["p_top5"], 0).to_numpy().astype(np.float64)
    correct = correct_images(scored).to_numpy()
    place = np.clip(np.ceil(p * N_BINS).astype(int) - 1, 0, N_BINS - 1)
    return [
        CalibrationBin(
            low=i / N_BINS,
            high=(i + 1) / N_BINS,
            n=int(inside.sum()),
            mean_p=float(p[inside].mean()),
            accuracy=float(correct[inside].mean()),
        )
        for i in range(N_BINS)
        if (inside := place == i).any()
    ]


def calibration_error(bins: list[CalibrationBin]) -> float:
    """The expected calibration error (Naeini et al. 2015): |accuracy - probability|, averaged over images."""
    n = sum(b.n for b in bins)
    return sum(b.n * abs(b.accuracy - b.mean_p) for b in bins) / n


def log_loss(rows: pa.Table) -> float | None:
    """The mean of -ln p(true class), in nats; None where the rows do not have every probability.

    A probability that vanished in 32 bits counts as the smallest that they hold.

    Raises:
        InvalidRun: no image was scored.
    """
    import numpy as np

    scored = scored_images(rows)
    if scored["p_label"].null_count:
        return None
    p = scored["p_label"].to_numpy().astype(np.float64)
    return float(-np.log(np.maximum(p, np.finfo(np.float32).tiny)).mean())
