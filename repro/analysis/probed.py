"""What the probes kept beside runs say of their errors: of all that were probed, and of the candidates."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from repro.analysis.attribution import Attribution, Key, attribute
from repro.analysis.causes import CONTEXT, SHAPE, SIZE
from repro.exceptions import InvalidRun
from repro.results.probes import AS_IT_IS

if TYPE_CHECKING:
    import pandas as pd

CANDIDATE_OF: Mapping[str, str] = {"size": SIZE, "context": CONTEXT, "shape": SHAPE}
"""The cause that each kind of probe tests."""

ALL_PROBED = "genuine errors probed"


@dataclass(frozen=True, slots=True)
class Probed:
    """What one kind of probe found in a run, of the errors that `of` says."""

    run: str
    kind: str
    of: str
    attribution: Attribution


def attribute_probes(
    run: str,
    genuine: pd.DataFrame,
    probes: Mapping[str, pa.Table],
    counted: Mapping[str, Collection[Key]],
) -> Iterator[Probed]:
    """The attribution of a run's genuine errors, by kind of probe, then of that kind's candidates alone.

    Args:
        run: Its id.
        genuine: Its genuine errors, with their causes.
        probes: The rows (`results.probes`) by kind.
        counted: By kind, the doses of which any may drive an error.
    """
    known = {kind: rows for kind, rows in probes.items() if kind in counted}
    if not known:  # of many runs, few are probed
        return
    of_run = genuine[genuine["run"] == run]
    for kind, rows in known.items():
        there = set(rows["image_id"].to_pylist())
        probed = of_run[of_run["image_id"].isin(there)]
        controls = _controls(rows)
        candidates = probed[probed["cause"] == CANDIDATE_OF[kind]]
        for of, errors in ((ALL_PROBED, probed), (f"{CANDIDATE_OF[kind]}s probed", candidates)):
            with suppress(InvalidRun):  # none of these was probed
                found = attribute(rows, list(errors["image_id"]), controls, counted[kind])
                yield Probed(run, kind, of, found)


@dataclass(frozen=True, slots=True)
class Turn:
    """The dose that turned an error right, and the true class's probability before and with it."""

    intervention: str
    dose: float
    p_before: float
    p_with: float


def find_turns(rows: pa.Table, attribution: Attribution) -> dict[str, Turn]:
    """By driven error, the first of the doses that count which turned it right (weaker ones come first)."""
    p_label: dict[str, float] = {}
    turned: dict[str, dict[Key, float]] = {image_id: {} for image_id in attribution.driven}
    for row in rows.to_pylist():
        if row["intervention"] == AS_IT_IS:
            p_label[row["image_id"]] = row["p_label"]
        elif row["image_id"] in turned and row["top1"] == row["label"]:
            turned[row["image_id"]][row["intervention"], row["dose"]] = row["p_label"]
    found = {}
    for image_id, by_dose in turned.items():
        key = next(key for key in attribution.counted if key in by_dose)
        found[image_id] = Turn(*key, p_label[image_id], by_dose[key])
    return found


def _controls(rows: pa.Table) -> list[str]:
    """The images that were right when they were scored."""
    as_it_is = rows.filter(pc.equal(rows["intervention"], AS_IT_IS))
    right = as_it_is.filter(pc.equal(as_it_is["predicted"], as_it_is["label"]))
    return [str(image_id) for image_id in right["image_id"].to_pylist()]
