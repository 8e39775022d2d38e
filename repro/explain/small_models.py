"""What a small network answers to scenes whose surroundings alone tell the class: held out, and probed.

The probes are those of `repro probe`, told where the object is. By construction the object alone says
nothing, so that a probe of surroundings must find that answers rest on them. What everything made smaller or
larger together does to them says whether a network judges by proportions, as it could.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from PIL import Image

from repro.datasets.boxes import Box
from repro.explain.doses import DOSES, apply
from repro.explain.scene import Crop, Scene, focus_on_boxes
from repro.specs import Geometry
from repro.training.size_in_context import CONTROLS, SmallModel, control, held_out_scenes
from repro.training.size_scenes import SIZE_PX, SizeScene, Split, render

KINDS = ("size", "context")


def count_right(model: SmallModel, n: int) -> Iterator[tuple[str, int]]:
    """How many of `n` scenes are answered rightly, under each condition by name.

    Conditions are the splits that were held out, the controls, and every dose of the size and the context
    probe (`context: surroundings greyed 1`), the latter two on the split `test`.
    """
    apart: tuple[Split, ...] = ("sizes", "scenes")
    for split in apart:
        scenes = held_out_scenes(split, n)
        yield split, _right(model, scenes, [render(scene) for scene in scenes])
    test = held_out_scenes("test", n)
    crops = [render(scene) for scene in test]
    yield "test", _right(model, test, crops)
    for name in CONTROLS:
        yield name, _right(model, test, [control(scene, name) for scene in test])
    probed = [_as_probed(scene, crops, place) for place, scene in enumerate(test)]
    for kind in KINDS:
        for dose in DOSES[kind]:
            changed = [apply(scene, dose) for scene in probed]
            yield f"{kind}: {dose.name} {dose.dose:g}", _right(model, test, changed)


def _right(model: SmallModel, scenes: Sequence[SizeScene], crops: Sequence[Crop]) -> int:
    answers = model.answer(crops)
    return sum(answer == scene.label for answer, scene in zip(answers, scenes, strict=True))


def _as_probed(scene: SizeScene, crops: Sequence[Crop], place: int) -> Scene:
    """A scene as the interventions take it; the others are those that follow it."""
    box = scene.box
    inside = Box(
        max(box.x_min, 0.0),
        max(box.y_min, 0.0),
        min(box.x_max, float(SIZE_PX)),
        min(box.y_max, float(SIZE_PX)),
    )
    return Scene(
        whole=Image.fromarray(crops[place]),
        crop=crops[place],
        geometry=Geometry(SIZE_PX, 1.0, "bicubic"),
        focus=focus_on_boxes([inside], SIZE_PX),
        others=tuple(crops[(place + step) % len(crops)] for step in (1, 2, 3)),
        seed=place,
    )
