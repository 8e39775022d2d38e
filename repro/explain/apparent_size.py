"""How large a thing looks, turned by hand: the size probe at any factor, for one image."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from repro.datasets.boxes import Boxes
from repro.evaluation.leads import among
from repro.evaluation.predict import score
from repro.exceptions import UsageError
from repro.explain.doses import Dose, apply
from repro.explain.looking import Looking
from repro.explain.opened import OpenRun, require_images
from repro.explain.scene import Crop, Focus
from repro.results.probes import AS_IT_IS

SMALLEST, LARGEST = 0.25, 4.0

_KIND = "size"


@dataclass(frozen=True, slots=True)
class Seen:
    """What the network was shown, and what it answered.

    `top5` are classes with their probabilities, best first; it is empty, and the other probabilities
    None, where a logit is not finite.
    """

    factor: float
    intervention: str
    crop: Crop
    top5: tuple[tuple[int, float], ...]
    p_label: float | None
    p_predicted: float | None


class SizeDial:
    """One image of a run, ready to be shown at any apparent size.

    Raises:
        UsageError: the run has no such image, or no heat-map layer is known.
        DataRefused: the image is not the one that was scored.
    """

    def __init__(
        self, run: OpenRun, image_id: str, *, boxes: Boxes | None = None, layer: str | None = None
    ) -> None:
        require_images(run, [image_id])
        self._looking = Looking(run, _KIND, boxes, layer)
        self._as_it_is, (self._scene,) = self._looking.look([run.photograph(image_id)])
        row = run.rows[image_id]
        self.label, self.predicted = int(row["label"]), int(row["top5"][0])

    @property
    def focus(self) -> Focus:
        """What stays in the middle as it grows, and who says so."""
        return self._scene.focus

    def at(self, factor: float) -> Seen:
        """The image with everything `factor` times as large, as the size probe does it.

        Below 1 the crop shrinks before its own background, above 1 the part around the object fills it.

        Raises:
            UsageError: `factor` is not between `SMALLEST` and `LARGEST`.
        """
        dose = dose_of(factor)
        if dose.name == AS_IT_IS:
            return self._seen(factor, dose, self._scene.crop, self._as_it_is)
        crop = apply(self._scene, dose)
        return self._seen(factor, dose, crop, self._looking.answer([crop]))

    def _seen(self, factor: float, dose: Dose, crop: Crop, logits: torch.Tensor) -> Seen:
        classes = self._looking.run.classes
        scores = score(logits, torch.tensor([self.label]), classes)
        if not scores.finite[0]:
            return Seen(factor, dose.name, crop, (), None, None)
        top5 = zip(scores.top5[0].tolist(), scores.p_top5[0].tolist(), strict=True)
        p_predicted = among(logits, classes).softmax(dim=1)[0, self.predicted]
        return Seen(factor, dose.name, crop, tuple(top5), float(scores.p_label[0]), float(p_predicted))


def dose_of(factor: float) -> Dose:
    """The dose that makes everything `factor` times as large.

    Raises:
        UsageError: `factor` is not between `SMALLEST` and `LARGEST`.
    """
    if not SMALLEST <= factor <= LARGEST:
        raise UsageError(f"apparent size {factor:g} is not between {SMALLEST:g} and {LARGEST:g}")
    if factor == 1:
        return Dose(_KIND, AS_IT_IS, 0)
    return Dose(_KIND, "smaller, on own background" if factor < 1 else "larger", factor)
