"""Which interventions a probe tries, and in which doses: as data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from repro.exceptions import UsageError
from repro.explain import interventions as on
from repro.explain.scene import Crop, Scene

Intervention = Callable[[Scene, float], Crop]


@dataclass(frozen=True, slots=True)
class Dose:
    """An intervention, and how much of it, in its own unit.

    Only a `gentle` dose may drive an error: one at which people, and networks that look at the object,
    still see what they saw. The others show how far an answer holds.
    """

    kind: str
    name: str
    dose: float
    gentle: bool = False


INTERVENTIONS: Mapping[str, Intervention] = {
    "smaller, on grey": on.smaller_on_grey,
    "smaller, on reflections": on.smaller_on_reflections,
    "smaller, on own background": on.smaller_on_own_background,
    "larger": on.larger,
    "surroundings blurred": on.surroundings_blurred,
    "surroundings greyed": on.surroundings_greyed,
    "surroundings of another": on.surroundings_of_another,
    "object removed": on.object_removed,
    "tiles shuffled": on.tiles_shuffled,
    "texture smoothed": on.texture_smoothed,
    "outlines only": on.outlines_only,
    "colour removed": on.colour_removed,
}


def _doses(
    kind: str, of: Mapping[str, tuple[float, ...]], gentle: Mapping[str, tuple[float, ...]]
) -> tuple[Dose, ...]:
    return tuple(
        Dose(kind, name, dose, dose in gentle.get(name, ())) for name, doses in of.items() for dose in doses
    )


DOSES: Mapping[str, tuple[Dose, ...]] = {
    "size": _doses(
        "size",
        {
            "smaller, on grey": (0.25, 0.5, 0.71),
            "smaller, on reflections": (0.25, 0.5),
            "smaller, on own background": (0.25, 0.5, 0.71),
            "larger": (1.41, 2, 2.83, 4),
        },
        # Not on grey: that takes the surroundings away as well.
        gentle={"smaller, on own background": (0.71,), "larger": (1.41, 2)},
    ),
    "context": _doses(
        "context",
        {
            "surroundings blurred": (1 / 64, 1 / 32, 1 / 16, 1 / 8),
            "surroundings greyed": (0.5, 0.75, 1),
            "surroundings of another": (1, 2, 3),
            "object removed": (0.5, 1),
        },
        gentle={"surroundings blurred": (1 / 64, 1 / 32), "surroundings greyed": (0.5, 0.75)},
    ),
    "shape": _doses(
        "shape",
        {
            "tiles shuffled": (2, 4, 7),
            "texture smoothed": (1 / 64, 1 / 32),
            "outlines only": (1,),
            "colour removed": (0.5, 1),
        },
        gentle={"tiles shuffled": (2,), "texture smoothed": (1 / 64,), "colour removed": (0.5, 1)},
    ),
}
"""The doses of each kind of probe, weakest first within an intervention."""

VERSION = 1
"""To be raised when an intervention does something else: rows of another version are not taken up again."""

N_OTHERS = 3
"""Other photographs that a scene needs."""


def find_doses(kind: str) -> tuple[Dose, ...]:
    """The doses of the probe called `kind`.

    Raises:
        UsageError: there is none.
    """
    if kind not in DOSES:
        raise UsageError(f"unknown kind of probe {kind!r}; there are {', '.join(DOSES)}")
    return DOSES[kind]


def counted_doses(kind: str) -> list[tuple[str, float]]:
    """The gentle doses of the probe called `kind`, of which any may drive an error, as rows name them.

    Raises:
        UsageError: there is none.
    """
    return [(dose.name, dose.dose) for dose in find_doses(kind) if dose.gentle]


def apply(scene: Scene, dose: Dose) -> Crop:
    return INTERVENTIONS[dose.name](scene, dose.dose)
