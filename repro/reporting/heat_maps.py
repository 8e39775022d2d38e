"""Heat maps for people: a table of what they say, and overlays as PNG."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from repro.analysis.pointing import Pointing
from repro.catalogue.classes import class_name
from repro.reporting.runs import short_names
from repro.reporting.table import Column, Group, Table, literal
from repro.results.atomic import write_atomically
from repro.results.heat_maps import CONTRAST, OK, PREDICTED, TARGETS, TRUE
from repro.results.record import RunRecord
from repro.results.runs import file_name
from repro.specs import digest

DIFFERS = "prediction differs from stored"

Rows = Mapping[str, Mapping[str, Any]]
"""The rows of one image, by target."""


def by_image(rows: pa.Table, image_ids: Iterable[str]) -> dict[str, Rows]:
    """The rows of each image, by target, in the order of `image_ids`."""
    found: dict[str, dict[str, Mapping[str, Any]]] = {image_id: {} for image_id in image_ids}
    for row in rows.to_pylist():
        found[row["image_id"]][row["target"]] = row
    return {image_id: maps for image_id, maps in found.items() if maps}


@dataclass(frozen=True, slots=True)
class MappedRun:
    """A run whose images were explained: by image id, its maps and the probability of its answer."""

    record: RunRecord
    maps: Mapping[str, Rows]
    p: Mapping[str, float]


def heat_maps_table(
    mapped: Sequence[MappedRun], method: str, pointing: Sequence[tuple[str, Pointing]] = ()
) -> Table:
    """One row an image, one group a run; `pointing` is by run id."""
    names = short_names([run.record for run in mapped])
    groups = []
    notes = [
        "Peak: where the map is strongest, in percent of the crop from the left and from the top.",
        "Fall: how many nats log p (predicted) - log p (true, or second best) loses, on average, once the "
        "strongest 10 % and 30 % of the contrast map are removed; beside it the same with random maps.",
    ]
    for run in mapped:
        name = names[run.record.run_id]
        cells = tuple(_cells(image_id, maps, run.p[image_id]) for image_id, maps in run.maps.items())
        groups.append(Group(f"{name}: {len(cells)} images", cells))
        notes += _counted(name, list(run.maps.values()))
    several = len(mapped) > 1
    notes += [f"{run_id}: {_pointed(found)}" if several else _pointed(found) for run_id, found in pointing]
    return Table(
        title=f"Heat maps, {method}",
        columns=(
            Column("Image"),
            Column("True class"),
            Column("Predicted"),
            Column("p (predicted)", "right"),
            Column("Peak (true)", "right", drop=2),
            Column("Peak (predicted)", "right", drop=2),
            Column("Fall", "right", drop=1),
            Column("Fall (random)", "right", drop=1),
            Column("Status"),
        ),
        groups=tuple(groups),
        notes=tuple(notes),
        grouped_by="Model",
    )


def _cells(image_id: str, maps: Rows, p: float) -> tuple[str, ...]:
    row = maps[CONTRAST]
    return (
        image_id,
        class_name(row["label"]),
        class_name(row["predicted"]),
        f"{p:.3f}",
        _peak(maps[TRUE]),
        _peak(maps[PREDICTED]),
        *("" if row[name] is None else f"{row[name]:.2f}" for name in ("fall", "fall_random")),
        status_of(maps),
    )


def status_of(maps: Rows) -> str:
    """`ok`, or what is wrong with which of an image's maps."""
    statuses = {target: maps[target]["status"] for target in TARGETS}
    if len(set(statuses.values())) == 1:
        statuses = {"all maps": statuses[CONTRAST]}
    faults = [f"{target}: {status}" for target, status in statuses.items() if status != OK]
    if not maps[CONTRAST]["agrees"]:
        faults.insert(0, DIFFERS)
    return "; ".join(faults) or OK


def made_by(row: Mapping[str, Any]) -> str:
    """Of a map that was kept: method and layer, and whether the network now answers otherwise."""
    how = f"{row['method']}, {row['layer']}"
    return how if row["agrees"] else f"{how}; {DIFFERS}"


def _peak(row: Mapping[str, Any]) -> str:
    if row["status"] != OK:
        return ""
    y, x = divmod(int(np.argmax(row["map"])), row["side"])
    return f"{100 * (x + 0.5) / row['side']:.0f}, {100 * (y + 0.5) / row['side']:.0f}"


def _counted(name: str, images: Sequence[Rows]) -> Iterable[str]:
    """How many maps fall further than random ones, target by target; only `ok` ones count."""
    shares = []
    for target in TARGETS:
        good = [maps[target] for maps in images if maps[target]["status"] == OK]
        faithful = sum(row["fall"] > row["fall_random"] for row in good)
        shares.append(f"{target} {faithful} of {len(good)}")
    found = ", ".join(shares)
    yield f"{name}: maps that make their target fall further than random maps do: {found}."


def _pointed(found: Pointing) -> str:
    return (
        f"In the boxes ({found.target}, {found.n} maps): {100 * found.energy:.1f} % of the maps' energy "
        f"(boxes are {100 * found.area:.1f} % of the crops), the peak in {found.hits} of {found.n}."
    )


def draw_overlays(
    folder: Path, record: RunRecord, crops: Mapping[str, NDArray[np.uint8]], images: Mapping[str, Rows]
) -> list[Path]:
    """Writes a PNG for each image that has a map: crop, and over it each map that says something.

    Args:
        folder: Where they go; `RUN-IMAGE.png`.
        record: Of the run.
        crops: `(size_px, size_px, 3)`, of each image.
        images: The rows of each image, by target.

    Raises:
        StorageError: the disk does not take them.
    """
    written = []
    for image_id, maps in images.items():
        if any(row["status"] == OK for row in maps.values()):
            path = folder / f"{file_name(record.run_id)}-{_unique(image_id)}.png"
            write_atomically(path, _overlay(record, image_id, crops[image_id], maps))
            written.append(path)
    return written


def _unique(image_id: str) -> str:
    """A file's name for an image, another for every other image."""
    name = file_name(image_id)
    return name if name == image_id else f"{name}-{digest(image_id)[:8]}"


def _overlay(record: RunRecord, image_id: str, crop: NDArray[np.uint8], maps: Rows) -> bytes:
    """One PNG; the three maps share one scale of colours, which the caption states."""
    from io import BytesIO

    from matplotlib.figure import Figure

    drawn = {target: upsampled(row, len(crop)) for target, row in maps.items() if row["status"] == OK}
    largest = max(float(values.max()) for values in drawn.values())
    figure = Figure(figsize=(13, 3.9), dpi=100, layout="constrained")
    axes = figure.subplots(1, 1 + len(TARGETS))
    titles = _titles(image_id, maps)
    for place, axis in zip(("", *TARGETS), axes, strict=True):
        axis.imshow(_grey(crop) if place else crop)
        axis.set_axis_off()
        axis.set_title("\n".join(map(literal, titles[place])), fontsize=9, parse_math=False)
        if place in drawn:
            shown = axis.imshow(drawn[place], cmap="inferno", vmin=0, vmax=largest, alpha=0.6)
        elif place:
            status = maps[place]["status"]
            axis.text(0.5, 0.5, status, transform=axis.transAxes, ha="center", backgroundcolor="w")
    figure.colorbar(shown, ax=axes, fraction=0.012, pad=0.01)
    side = maps[TRUE]["side"]
    caption = (
        f"{record.run_id}: {status_of(maps)}. One scale of colours for all maps, 0 to {largest:.3g}; "
        f"{side} x {side} cells, interpolated."
    )
    figure.supxlabel(literal(caption), fontsize=8, parse_math=False)
    file = BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def _titles(image_id: str, maps: Rows) -> dict[str, tuple[str, str]]:
    """Two lines over each picture, by target."""
    row = maps[CONTRAST]
    true, predicted, against = (class_name(row[name]) for name in ("label", "predicted", "against"))
    ahead = row["logit_predicted"] - row["logit_against"]
    return {
        "": (image_id, "the crop that was scored"),
        TRUE: (f"true class: {true}", f"logit {row['logit_label']:.2f}"),
        PREDICTED: (f"predicted: {predicted}", f"logit {row['logit_predicted']:.2f}"),
        CONTRAST: (f"why {predicted} rather than {against}", f"logit {ahead:+.2f}"),
    }


def _grey(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Without colours, which belong to the map alone then."""
    from PIL import Image

    return np.asarray(Image.fromarray(crop).convert("L").convert("RGB"))


def upsampled(row: Mapping[str, Any], size_px: int) -> NDArray[np.float32]:
    """The map of a row at the crop's size, interpolated between the centres of its cells."""
    from PIL import Image

    cells = np.asarray(row["map"], np.float32).reshape(row["side"], row["side"])
    return np.asarray(Image.fromarray(cells).resize((size_px, size_px), Image.Resampling.BILINEAR))
