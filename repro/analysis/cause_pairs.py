"""On how many images two runs err for a cause: both, one of them, neither; for every two runs at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING

from repro.analysis.causes import NO_LABEL
from repro.analysis.paired import PairedCounts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Masks = NDArray[np.bool_]

ANY = "any error"


class Base(StrEnum):
    """Of which images a rate is."""

    IMAGES = "of all images"
    BOTH_WRONG = "of images both get wrong"


class CausePairs:
    """Counts of every two runs at once, as products of matrices; exact, since they stay below 2**24."""

    def __init__(self, present: Mapping[str, Masks]) -> None:
        """`present`, by cause and for `ANY`: in which images `(runs, images)` a run has an error of it."""
        import numpy as np

        self.n_images = present[ANY].shape[1]
        masks = {cause: mask.astype(np.float32) for cause, mask in present.items()}
        wrong = masks[ANY]
        self._both = {cause: (mask @ mask.T).astype(np.int64) for cause, mask in masks.items()}
        self._beside_wrong = {cause: (mask @ wrong.T).astype(np.int64) for cause, mask in masks.items()}

    def of(self, first: int, second: int) -> Iterator[tuple[Base, str, PairedCounts]]:
        """By base and cause, on how many images the runs at these places have an error of it."""
        for cause, both in self._both.items():
            only = both[first, first] - both[first, second], both[second, second] - both[first, second]
            yield Base.IMAGES, cause, _counts(both[first, second], *only, self.n_images)
        n_wrong = self._both[ANY][first, second]
        if n_wrong:
            for cause, both in self._both.items():
                if cause not in (ANY, NO_LABEL):  # both have these or neither has
                    of_wrong = self._beside_wrong[cause]
                    shared = both[first, second]
                    only = of_wrong[first, second] - shared, of_wrong[second, first] - shared
                    yield Base.BOTH_WRONG, cause, _counts(shared, *only, n_wrong)


def _counts(both: int, only_first: int, only_second: int, n: int) -> PairedCounts:
    neither = n - both - only_first - only_second
    return PairedCounts(
        both=int(both),
        only_first=int(only_first),
        only_second=int(only_second),
        neither=int(neither),
        n_agree=int(both + neither),
    )
