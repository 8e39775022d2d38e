"""Why a run's Top-1 is not the expected one: its gap, and what each variation of its protocol adds to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from repro.analysis.gap import RunGap
from repro.analysis.variation_effects import (
    CANDIDATES,
    NO_PREDICTION,
    Effect,
    EffectVerdict,
    JudgedEffect,
    judge_effects,
    measure_effects,
)
from repro.results.record import RunRecord
from repro.results.sweeps import OWN, STORED, Sweep


@dataclass(frozen=True, slots=True)
class ExplainedDifference:
    """A run, its gap and the sweep, judged; `effects` with those first that explain most.

    `again` is the run's own setting, computed anew, beside the stored rows.
    """

    run: RunRecord
    gap: RunGap
    sweep: Sweep
    again: Effect
    effects: tuple[JudgedEffect, ...]

    @property
    def whole(self) -> bool:
        """Whether the variations were tried on all images of the run."""
        return self.sweep.record.whole

    @property
    def best(self) -> JudgedEffect | None:
        """The variation to look at next."""
        wanted: tuple[EffectVerdict, ...] = CANDIDATES if self.gap.gap else (EffectVerdict.MOVES,)
        return next((one for one in self.effects if one.verdict in wanted), None)


def explain(run: RunRecord, gap: RunGap, sweep: Sweep) -> ExplainedDifference:
    """Judges the variations of `sweep` by what they add to the run's Top-1."""
    labels, stored, own = (_classes(sweep.rows, name) for name in ("label", STORED, OWN))
    tried = [name for name in sweep.record.settings if name != OWN and name not in sweep.record.untried]
    effects = measure_effects(labels, own, {name: _classes(sweep.rows, name) for name in tried})
    (again,) = measure_effects(labels, stored, {OWN: own})
    judged = judge_effects(effects, gap.gap, sweep.record.whole)
    return ExplainedDifference(run, gap, sweep, again, tuple(judged))


def _classes(rows: pa.Table, name: str) -> NDArray[Any]:
    classes: NDArray[Any] = pc.fill_null(rows[name], NO_PREDICTION).to_numpy()
    return classes
