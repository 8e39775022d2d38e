"""What a change of the protocol does to a run's predictions, and what of a gap that would explain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from numpy.typing import NDArray

from repro.analysis.statistics import SIGNIFICANT, PairedDifference, holm, paired_difference

NO_PREDICTION = -1
"""Stands for the class of an image whose logits are not finite: it is never right."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What a variation changes beside the run's own setting, on the same `n` images; fractions.

    `n_gained` images are right only with the variation, `n_lost` only without it. `p_corrected` is Holm's
    over all the variations that were tried.
    """

    name: str
    n: int
    n_changed: int
    n_gained: int
    n_lost: int
    paired: PairedDifference
    p_corrected: float

    @property
    def is_sure(self) -> bool:
        """Whether Top-1 moves at all: the interval excludes 0, and so many tries do not make it chance."""
        return self.p_corrected < SIGNIFICANT and not self.paired.low <= 0 <= self.paired.high


def measure_effects(
    labels: NDArray[Any], own: NDArray[Any], varied: Mapping[str, NDArray[Any]]
) -> list[Effect]:
    """The effect of each variation; all arrays hold classes `(n,)`, in one order of the images."""
    effects = [_effect(name, labels, own, classes) for name, classes in varied.items()]
    corrected = holm([effect.paired.p for effect in effects])
    return [replace(effect, p_corrected=p) for effect, p in zip(effects, corrected, strict=True)]


def _effect(name: str, labels: NDArray[Any], own: NDArray[Any], classes: NDArray[Any]) -> Effect:
    was_right, is_right = own == labels, classes == labels
    n_gained, n_lost = int((is_right & ~was_right).sum()), int((was_right & ~is_right).sum())
    paired = paired_difference(n_gained, n_lost, len(labels))
    return Effect(name, len(labels), int((own != classes).sum()), n_gained, n_lost, paired, paired.p)


class EffectVerdict(StrEnum):
    """What an effect says of a gap, best candidates first; the last two where there is no gap."""

    EXPLAINS = "would explain it"
    PART = "explains part"
    TOO_MUCH = "too much"
    TOO_FEW = "too few images to tell"
    NOT_SHOWN = "not shown on all images"
    CANNOT = "cannot"
    MOVES = "moves Top-1"
    NOTHING_SEEN = "no effect seen"


CANDIDATES = (EffectVerdict.EXPLAINS, EffectVerdict.PART, EffectVerdict.TOO_MUCH, EffectVerdict.TOO_FEW)
"""Verdicts that more images could turn into an explanation."""


@dataclass(frozen=True, slots=True)
class Gap:
    """What has to be added to a run's Top-1 to reach its reference, a fraction: at least, at most.

    The range is that of the printed digits and, on a sample, of the sampling error; it excludes 0.
    """

    low: float
    high: float

    @property
    def middle(self) -> float:
        return (self.low + self.high) / 2


@dataclass(frozen=True, slots=True)
class JudgedEffect:
    """`at_most` is the most that the effect can be in the gap's direction (without a gap: in either)."""

    effect: Effect
    verdict: EffectVerdict
    at_most: float


def judge_effects(effects: Sequence[Effect], gap: Gap | None, whole: bool = False) -> list[JudgedEffect]:
    """The effects, on the `whole` run or on a sample of it, with their verdicts.

    Those stand first that explain most of the gap.
    """
    judged = [_judge(effect, gap, whole) if gap else _judge_alone(effect) for effect in effects]
    verdicts = list(EffectVerdict)

    def place(one: JudgedEffect) -> tuple[int, float, int, str]:
        difference = one.effect.paired.difference
        distance = abs(difference - gap.middle) if gap else -abs(difference)
        return verdicts.index(one.verdict), distance, -one.effect.n_changed, one.effect.name

    return sorted(judged, key=place)


def _judge(effect: Effect, gap: Gap, whole: bool) -> JudgedEffect:
    """Seen in the gap's direction, so that the gap is positive."""
    paired, upwards = effect.paired, gap.low > 0
    low, high = (paired.low, paired.high) if upwards else (-paired.high, -paired.low)
    nearest, farthest = (gap.low, gap.high) if upwards else (-gap.high, -gap.low)
    if high < nearest:
        verdict = EffectVerdict.PART if effect.is_sure and low > 0 else EffectVerdict.CANNOT
    elif not effect.is_sure:
        verdict = EffectVerdict.NOT_SHOWN if whole else EffectVerdict.TOO_FEW
    else:
        verdict = EffectVerdict.EXPLAINS if low <= farthest else EffectVerdict.TOO_MUCH
    return JudgedEffect(effect, verdict, high)


def _judge_alone(effect: Effect) -> JudgedEffect:
    verdict = EffectVerdict.MOVES if effect.is_sure else EffectVerdict.NOTHING_SEEN
    return JudgedEffect(effect, verdict, max(abs(effect.paired.low), abs(effect.paired.high)))
