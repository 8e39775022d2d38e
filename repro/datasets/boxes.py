"""Where the objects of images are: ILSVRC's own XML annotations, or a CSV file."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from repro.datasets.entries import first_few
from repro.exceptions import DataRefused, UsageError

COLUMNS = ("image_id", "x_min", "y_min", "x_max", "y_max")


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels, from the left and the top; the maxima are not part of it."""

    x_min: float
    y_min: float
    x_max: float
    y_max: float

    @property
    def area(self) -> float:
        return (self.x_max - self.x_min) * (self.y_max - self.y_min)

    @property
    def centre(self) -> tuple[float, float]:
        return (self.x_min + self.x_max) / 2, (self.y_min + self.y_max) / 2


Boxes = Mapping[str, tuple[Box, ...]]
"""The boxes of each image, by its id, in pixels of the image as it is stored."""


def load_boxes(source: Path) -> Boxes:
    """The boxes in a folder of XML annotations, whatever its depth, or in a CSV file with `COLUMNS`.

    Raises:
        UsageError: there is no such file or folder.
        DataRefused: one of them is damaged, or there are none.
    """
    if not source.exists():
        raise UsageError(f"no such file or folder for --boxes: {source}")
    found: defaultdict[str, list[Box]] = defaultdict(list)
    try:
        for image_id, box in _read_annotations(source) if source.is_dir() else _read_csv(source):
            found[image_id].append(box)
    except OSError as error:
        raise DataRefused(f"cannot read {error.filename or source}: {error.strerror or error}") from error
    if not found:
        raise DataRefused(f"{source} holds no boxes")
    return {image_id: tuple(boxes) for image_id, boxes in found.items()}


def _read_annotations(folder: Path) -> Iterable[tuple[str, Box]]:
    """Both ends of ILSVRC's boxes are pixels of the object, counted from 0."""
    for path in sorted(folder.rglob("*.xml")):
        try:
            for corners in ElementTree.parse(path).iterfind("object/bndbox"):
                x_min, y_min, x_max, y_max = (
                    corners.findtext(name, "") for name in ("xmin", "ymin", "xmax", "ymax")
                )
                yield path.stem, _box(x_min, y_min, str(int(x_max) + 1), str(int(y_max) + 1))
        except (ElementTree.ParseError, ValueError) as error:
            raise DataRefused(f"{path} is no annotation of ILSVRC: {error}") from error


def _read_csv(path: Path) -> Iterable[tuple[str, Box]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise DataRefused(
                    f"{path} has no column {first_few(missing)}; boxes need {','.join(COLUMNS)}"
                )
            for row in reader:
                try:
                    yield row["image_id"], _box(*(row[name] for name in COLUMNS[1:]))
                except (TypeError, ValueError) as error:
                    raise DataRefused(f"{path}, line {reader.line_num}: {error}") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataRefused(f"{path} is not a CSV file: {error}") from error


def _box(x_min: str, y_min: str, x_max: str, y_max: str) -> Box:
    corners = [float(text) for text in (x_min, y_min, x_max, y_max)]
    box = Box(*corners)
    if not all(map(math.isfinite, corners)) or not (
        0 <= box.x_min < box.x_max and 0 <= box.y_min < box.y_max
    ):
        raise ValueError(f"{x_min},{y_min},{x_max},{y_max} is no box: minima lie left of and above maxima")
    return box
