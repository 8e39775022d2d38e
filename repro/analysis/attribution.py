"""Which errors a probe can blame on size, surroundings or shape, and how much of that is no news.

A dose that turns a wrong answer into the right one would say little, if the same doses turned as many
right answers wrong: only the excess over matched controls counts.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import pyarrow as pa

from repro.analysis.statistics import wilson_interval
from repro.exceptions import InvalidRun
from repro.results.probes import AS_IT_IS

Interval = tuple[float, float]

Key = tuple[str, float]
"""An intervention and its dose."""

LIKE = 0.1
"""Means of confidence that are farther apart are not alike."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Of `n` images, those whose answer some doses changed."""

    changed: int
    n: int

    @property
    def fraction(self) -> float:
        return self.changed / self.n

    def interval(self, confidence: float = 0.95) -> Interval:
        """Wilson's."""
        return wilson_interval(self.changed, self.n, confidence)


@dataclass(frozen=True, slots=True)
class Effect:
    """What doses did: `rescued` of the errors became right, `broken` of the controls became wrong."""

    rescued: Rate
    broken: Rate

    @property
    def excess(self) -> float:
        return self.rescued.fraction - self.broken.fraction

    def interval(self, confidence: float = 0.95) -> Interval:
        """Of the excess."""
        return difference_interval(self.rescued, self.broken, confidence)


@dataclass(frozen=True, slots=True)
class Attribution:
    """What one kind of probe found: by dose, and by any of those that count (`counted`).

    `driven` are the errors that one of these turned right. `disagreeing` are images left out
    because the network, asked again, did not answer as it had; `focus` counts who told where objects are.
    `confidence` is the mean of the errors', and that of the controls', before any dose.
    """

    any_dose: Effect
    by_dose: Mapping[Key, Effect]
    counted: tuple[Key, ...]
    driven: tuple[str, ...]
    disagreeing: tuple[str, ...]
    focus: Mapping[str, int]
    confidence: tuple[float, float]

    @property
    def alike(self) -> bool:
        """Whether the controls are of like confidence: there need not be such right answers."""
        errors, controls = self.confidence
        return abs(errors - controls) <= LIKE

    @property
    def standing_out(self) -> dict[Key, Interval]:
        """Doses with an excess of their own, and its interval: 95 % for all doses at once (Bonferroni)."""
        intervals = {
            key: effect.interval(1 - 0.05 / len(self.by_dose)) for key, effect in self.by_dose.items()
        }
        return {key: interval for key, interval in intervals.items() if interval[0] > 0}


def match_controls(rows: Iterable[Mapping[str, Any]], errors: Sequence[str]) -> list[str]:
    """For each error, in turn, the right answer nearest in confidence that is not taken yet.

    Args:
        rows: Of a run (`results.predictions`), those that were scored; each is looked at once.
        errors: Image ids, those to be served first first.

    Returns:
        As many ids as there are errors, or right answers if these are fewer.
    """
    confidence: dict[str, float] = {}
    free: list[tuple[float, str]] = []
    for row in rows:
        image_id, p = row["image_id"], row["p_top5"][0]
        confidence[image_id] = p
        if row["rank"] == 0:
            free.append((p, image_id))
    free.sort()
    matched = []
    for error in errors:
        if not free:
            break
        p = confidence[error]
        place = bisect_left(free, (p, ""))
        near = [i for i in (place - 1, place) if 0 <= i < len(free)]
        matched.append(free.pop(min(near, key=lambda i: (abs(free[i][0] - p), free[i][1])))[1])
    return matched


def attribute(
    rows: pa.Table, errors: Collection[str], controls: Collection[str], counted: Collection[Key]
) -> Attribution:
    """What the rows of one kind of probe (`results.probes`) say about the errors, beside the controls.

    Args:
        rows: Of all these images.
        errors: Ids of wrong answers.
        controls: Ids of right answers.
        counted: The doses of which any may drive an error.

    Raises:
        InvalidRun: no error, or no control, is left to compare.
    """
    answers: defaultdict[str, dict[Key, bool]] = defaultdict(dict)
    disagreeing: set[str] = set()
    focus: defaultdict[str, int] = defaultdict(int)
    p_before: dict[str, float] = {}
    for row in rows.to_pylist():
        if row["intervention"] == AS_IT_IS:
            focus[row["focus"]] += 1
            p_before[row["image_id"]] = row["p_predicted"]
            if row["top1"] != row["predicted"]:
                disagreeing.add(row["image_id"])
        else:
            key = row["intervention"], row["dose"]
            answers[row["image_id"]][key] = row["top1"] == row["label"]
    wrong, right = ([i for i in ids if i in answers and i not in disagreeing] for ids in (errors, controls))
    if not (wrong and right):
        raise InvalidRun(f"no attribution: {len(wrong)} errors and {len(right)} controls to compare")

    def effect(keys: Sequence[Key]) -> Effect:
        rescued = sum(any(answers[i][key] for key in keys) for i in wrong)
        broken = sum(not all(answers[i][key] for key in keys) for i in right)
        return Effect(Rate(rescued, len(wrong)), Rate(broken, len(right)))

    chosen = [key for key in answers[wrong[0]] if key in set(counted)]
    return Attribution(
        any_dose=effect(chosen),
        by_dose={key: effect([key]) for key in answers[wrong[0]]},
        counted=tuple(chosen),
        driven=tuple(i for i in wrong if any(answers[i][key] for key in chosen)),
        disagreeing=tuple(sorted(disagreeing)),
        focus=dict(focus),
        confidence=(fmean(p_before[i] for i in wrong), fmean(p_before[i] for i in right)),
    )


def difference_interval(first: Rate, second: Rate, confidence: float = 0.95) -> Interval:
    """Of the difference of two independent fractions: Newcombe 1998, method 10 (hybrid score)."""
    low, high = first.interval(confidence)
    other_low, other_high = second.interval(confidence)
    a, b = first.fraction, second.fraction
    return a - b - math.hypot(a - low, other_high - b), a - b + math.hypot(high - a, b - other_low)
