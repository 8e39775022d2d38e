"""What can be wanted of a run in the background, as values: the same is never done twice. No torch here."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Wanted:
    """Something of the run in the folder `run`, whose images are `data` now, if they were moved.

    `written_ns` is when its record was written: a run that is evaluated anew is another.
    What is wanted `at_once` does not wait for the many images of others.
    """

    run: Path
    data: Path | None = field(default=None, kw_only=True)
    labels: Path | None = field(default=None, kw_only=True)
    written_ns: int = field(default=0, kw_only=True)
    at_once: ClassVar[bool] = False

    @property
    def n_images(self) -> int:
        return 1


@dataclass(frozen=True, slots=True)
class HeatMapsWanted(Wanted):
    """The heat maps of these images; the result are their rows (`results.heat_maps`), kept by then."""

    image_ids: tuple[str, ...]
    method: str = "gradcam"
    layer: str | None = field(default=None, kw_only=True)

    @property
    def n_images(self) -> int:
        return len(self.image_ids)


@dataclass(frozen=True, slots=True)
class ProbeWanted(Wanted):
    """The probe of a kind of these images; the result are their rows (`results.probes`), kept by then.

    Somebody looks at each by itself: they are no part of what a study counts.
    `boxes` is a file or folder, as `datasets.boxes.load_boxes` takes it.
    """

    image_ids: tuple[str, ...]
    kind: str
    boxes: Path | None = field(default=None, kw_only=True)
    layer: str | None = field(default=None, kw_only=True)

    @property
    def n_images(self) -> int:
        return len(self.image_ids)


@dataclass(frozen=True, slots=True)
class PicturesWanted(Wanted):
    """The image at each dose of a probe; the result is that of `probing.pictures`."""

    image_id: str
    kind: str
    boxes: Path | None = field(default=None, kw_only=True)
    layer: str | None = field(default=None, kw_only=True)
    at_once: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class SizeWanted(Wanted):
    """The image at an apparent size; the result is an `apparent_size.Seen`."""

    image_id: str
    factor: float
    boxes: Path | None = field(default=None, kw_only=True)
    layer: str | None = field(default=None, kw_only=True)
    at_once: ClassVar[bool] = True
