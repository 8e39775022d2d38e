"""What the talk asks of errors, in numbers: their causes by model and by token mixer, and what differs.

Genuine errors are those that neither the image's label nor an overlap of the two classes excuses. Models
are compared on the same images, those that every run scored: first of all of these, then of those alone
that both got wrong, where a model that errs more often has no advantage.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from repro.analysis.cause_pairs import ANY, Base, CausePairs
from repro.analysis.causes import (
    ACCEPTABLE,
    CAUSES,
    CONTEXT,
    NO_LABEL,
    OVERLAPPING,
    SHAPE,
    SIZE,
)
from repro.analysis.metrics import with_status_ok
from repro.analysis.paired import PairedCounts, differ_each, not_excluded
from repro.analysis.shares import Share, pooled_share
from repro.analysis.statistics import SIGNIFICANT, holm
from repro.exceptions import InvalidRun, UsageError

if TYPE_CHECKING:
    from collections.abc import Collection

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]
    Interval = tuple[float, float]

EXCUSED = (ACCEPTABLE, NO_LABEL, OVERLAPPING)
"""Causes for which an error is not the model's."""

GENUINE_CAUSES = tuple(cause for cause in CAUSES if cause not in EXCUSED)

CANDIDATES = (CONTEXT, SIZE, SHAPE)


class Scope(StrEnum):
    """Which errors count; of images without a valid label, only `ALL` knows any."""

    GENUINE = "genuine errors"
    ALL = "all errors"


@dataclass(frozen=True, slots=True)
class StudiedRun:
    """What it is called, and `shares` of its errors by cause in each scope; an empty scope has none."""

    run: str
    name: str
    model: str
    token_mixer: str
    n_errors: Mapping[Scope, int]
    shares: Mapping[Scope, Mapping[str, Share]]


@dataclass(frozen=True, slots=True)
class Family:
    """All runs of models with one token mixer; their intervals allow for errors in the same image."""

    token_mixer: str
    runs: tuple[str, ...]
    n_errors: Mapping[Scope, int]
    shares: Mapping[Scope, Mapping[str, Share]]


@dataclass(frozen=True, slots=True)
class CauseDifference:
    """How often two runs have a cause in the same images; `counts` are images where it is present.

    `interval` is that of this comparison alone.
    """

    first: str
    second: str
    same_family: bool
    scope: Scope
    base: Base
    cause: str
    counts: PairedCounts
    p: float
    p_corrected: float
    interval: Interval

    @property
    def rates(self) -> tuple[float, float]:
        n = self.counts.n
        return (
            (self.counts.both + self.counts.only_first) / n,
            (self.counts.both + self.counts.only_second) / n,
        )

    @property
    def shown(self) -> bool:
        return self.p_corrected < SIGNIFICANT


@dataclass(frozen=True)
class CauseStudy:
    """`n_images` were scored in every run, `n_no_label` of them have no valid label.

    `errors` are those of these images, with causes.
    """

    runs: tuple[StudiedRun, ...]
    families: tuple[Family, ...]
    differences: tuple[CauseDifference, ...]
    errors: pd.DataFrame
    n_images: int
    n_no_label: int

    @property
    def names(self) -> dict[str, str]:
        return {run.run: run.name for run in self.runs}

    @property
    def models(self) -> dict[str, str]:
        return {run.run: run.model for run in self.runs}

    @property
    def token_mixers(self) -> dict[str, str]:
        return {run.run: run.token_mixer for run in self.runs}

    def n_comparisons(self, scope: Scope) -> int:
        return sum(one.scope is scope for one in self.differences)

    def not_excluded(self, some: Sequence[CauseDifference]) -> float:
        """How large any of these of one scope may be, for all of the scope at once (Bonferroni)."""
        n_comparisons = self.n_comparisons(some[0].scope)
        return not_excluded([one.counts for one in some], 1 - SIGNIFICANT / n_comparisons)


def common_images(runs: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
    """The rows of images that every run scored.

    Raises:
        InvalidRun: there is none.
    """
    scored = {run: with_status_ok(rows) for run, rows in runs.items()}
    ids = [rows["image_id"] for rows in scored.values()]
    if len(ids[0]) and all(others.equals(ids[0]) for others in ids):
        return scored
    common = set.intersection(*(set(rows["image_id"].to_pylist()) for rows in scored.values()))
    if not common:
        raise InvalidRun("nothing to study: no image was scored in every run")
    in_all = pa.array(sorted(common), pa.string())
    return {run: rows.filter(pc.is_in(rows["image_id"], in_all)) for run, rows in scored.items()}


def study_causes(
    errors: pd.DataFrame,
    image_ids: Sequence[str],
    no_label: Collection[str],
    names: Mapping[str, str],
    token_mixers: Mapping[str, str],
    models: Mapping[str, str] | None = None,
) -> CauseStudy:
    """The study of errors with causes (`assign_causes`).

    Args:
        errors: Of these images alone.
        image_ids: Those that every run scored.
        no_label: Those of them without any valid label.
        names: What each run is called, by its id; they stand in this order.
        token_mixers: By run id.
        models: By run id, where they are not what the runs are called.

    Raises:
        UsageError: no error is genuine.
    """
    import pandas as pd

    if not len(errors) or errors["cause"].isin(EXCUSED).all():
        raise UsageError(f"no genuine error among {len(errors):,}: labels or overlaps excuse all of them")
    counted = errors[["run", "image_id", "cause"]]
    by_run = dict(iter(counted.groupby("run", sort=False)))
    of_run = {run: by_run.get(run, counted[:0]) for run in names}
    runs = tuple(
        StudiedRun(run, name, (models or names)[run], token_mixers[run], *_counted(of_run[run], single=True))
        for run, name in names.items()
    )
    mixers = list(dict.fromkeys(token_mixers[run] for run in names))
    families = tuple(
        _family(counted, mixer, tuple(run for run in names if token_mixers[run] == mixer)) for mixer in mixers
    )
    images = pd.Index(image_ids)
    cause_of = _causes_by_image(errors, list(names), images)
    has_label = ~images.isin(list(no_label))
    mixers_of = {run: token_mixers[run] for run in names}
    differences = [
        difference for scope in Scope for difference in _differences(cause_of, has_label, mixers_of, scope)
    ]
    return CauseStudy(runs, families, tuple(differences), errors, len(image_ids), len(no_label))


def in_scope(errors: pd.DataFrame, scope: Scope) -> pd.DataFrame:
    return errors if scope is Scope.ALL else errors[~errors["cause"].isin(EXCUSED)]


def causes_of(scope: Scope) -> tuple[str, ...]:
    return CAUSES if scope is Scope.ALL else GENUINE_CAUSES


def _counted(errors: pd.DataFrame, single: bool) -> tuple[dict[Scope, int], dict[Scope, Mapping[str, Share]]]:
    import pandas as pd

    n_errors: dict[Scope, int] = {}
    shares: dict[Scope, Mapping[str, Share]] = {}
    for scope in Scope:
        counted = in_scope(errors, scope)
        n_errors[scope] = len(counted)
        # As numbers: every cause groups by them, and texts are slow to group by.
        images = None if single else pd.Series(pd.factorize(counted["image_id"])[0])
        shares[scope] = (
            {cause: pooled_share(counted["cause"] == cause, images) for cause in causes_of(scope)}
            if len(counted)
            else {}
        )
    return n_errors, shares


def _family(errors: pd.DataFrame, mixer: str, runs: tuple[str, ...]) -> Family:
    own = errors[errors["run"].isin(runs)]
    return Family(mixer, runs, *_counted(own, single=len(runs) == 1))


def _differences(
    cause_of: NDArray[np.int8],
    has_label: Mask,
    token_mixers: Mapping[str, str],
    scope: Scope,
) -> Iterator[CauseDifference]:
    """Every two runs, every cause, on both bases; the correction is for all of the scope.

    `cause_of` is `_causes_by_image`; `token_mixers` has its runs, in its order; `has_label` is by image.
    """
    import numpy as np

    images = slice(None) if scope is Scope.ALL else has_label
    present = {cause: (cause_of == CAUSES.index(cause))[:, images] for cause in causes_of(scope)}
    pairs = CausePairs({ANY: np.logical_or.reduce(list(present.values())), **present})
    runs = list(token_mixers)
    compared = [
        (runs[first], runs[second], base, cause, counts)
        for first, second in combinations(range(len(runs)), 2)
        for base, cause, counts in pairs.of(first, second)
    ]
    paired = differ_each([counts for *_, counts in compared])
    p_corrected = holm([one.p for one in paired])
    for place, (first, second, base, cause, counts) in enumerate(compared):
        yield CauseDifference(
            first=first,
            second=second,
            same_family=token_mixers[first] == token_mixers[second],
            scope=scope,
            base=base,
            cause=cause,
            counts=counts,
            p=paired[place].p,
            p_corrected=p_corrected[place],
            interval=paired[place].interval,
        )


def _causes_by_image(errors: pd.DataFrame, runs: Sequence[str], images: pd.Index[str]) -> NDArray[np.int8]:
    """The place in `CAUSES` of each run's error in each image `(runs, images)`; -1: it has none there."""
    import numpy as np
    import pandas as pd

    found = np.full((len(runs), len(images)), -1, dtype=np.int8)
    run = pd.Categorical(errors["run"], pd.Index(runs)).codes
    place = images.get_indexer(pd.Index(errors["image_id"]))
    cause = pd.Categorical(errors["cause"], pd.Index(CAUSES)).codes
    among = (run >= 0) & (place >= 0)  # -1 would be the last of them
    found[run[among], place[among]] = cause[among]
    return found
