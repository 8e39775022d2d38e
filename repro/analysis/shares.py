"""Shares of errors, with intervals that hold where several models err in the same image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from repro.analysis.statistics import wilson_interval

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Share:
    """`n` of `of` errors; the interval is Wilson's."""

    n: int
    of: int
    low: float
    high: float

    @property
    def fraction(self) -> float:
        return self.n / self.of


def pooled_share(has_cause: pd.Series[bool], images: pd.Series[Any] | None) -> Share:
    """The share of errors with a cause; `images`, where several errors can be in one, are theirs.

    Errors in the same image are not independent, so Wilson's interval is then taken for as many
    independent errors as have the variance found between images (Korn and Graubard 1998).

    Raises:
        InvalidRun: there are no errors.
    """
    n, of = int(has_cause.sum()), len(has_cause)
    if images is None:
        return Share(n, of, *wilson_interval(n, of))
    if n in (0, of):  # no variance is seen: as many independent errors as there are images
        n_images = images.nunique()
        return Share(n, of, *wilson_interval(n_images if n else 0, n_images))
    effective = min(_effective(has_cause, images), of)
    return Share(n, of, *wilson_interval(n / of * effective, effective))


def _effective(has_cause: pd.Series[bool], images: pd.Series[Any]) -> float:
    """How many independent errors would give the share the variance that it has."""
    import numpy as np
    import pandas as pd

    share = float(has_cause.mean())
    of_image, distinct = pd.factorize(images)
    residuals = np.bincount(of_image, weights=has_cause.to_numpy() - share)
    m = len(distinct)
    if m < 2:
        return 1.0
    variance = float((residuals**2).sum()) * m / (m - 1) / len(has_cause) ** 2
    return max(share * (1 - share) / variance, 1.0) if variance else float(len(has_cause))
