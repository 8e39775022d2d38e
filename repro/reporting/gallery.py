"""The errors themselves: thumbnails of the images that were scored, with heat maps where there are any."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from repro.catalogue.classes import class_name
from repro.datasets.decode import UnreadableImage, decode
from repro.evaluation.run_images import open_run_images
from repro.exceptions import ReproError
from repro.reporting.heat_maps import made_by, upsampled
from repro.reporting.table import Column, Group, Table
from repro.reporting.thumbnails import jpeg_uri
from repro.results.heat_maps import CONTRAST, OK, load_maps
from repro.results.record import RunRecord
from repro.results.store import read_rows

if TYPE_CHECKING:
    import pandas as pd
    from PIL.Image import Image

    from repro.analysis.probed import Turn

LONG_SIDE_PX = 200

_OPACITY = 0.55
"""Of the heat map over the image."""

RULE = (
    "Chosen by rule, not by hand: of each run its genuine errors, those made with the highest probability "
    "first, images of equal probability by their id; at most {limit} of each run."
)


N_TURNED = 6

TURNED_RULE = (
    f"Chosen by rule, not by hand: of each run's genuine errors that a dose which counts turned right, those "
    f"made with the highest probability first, at most {N_TURNED} for each kind of probe. A case shows what "
    "can happen, not why: how often the same doses turn right answers wrong stands in the table of probes."
)


@dataclass(frozen=True, slots=True)
class Picture:
    """An error, its thumbnail as a data URI or why it is missing.

    `overlay` is empty without a heat map; with one, `made_by` says how it was made.
    """

    image_id: str
    path: str
    true: str
    predicted: str
    p_predicted: str
    p_true: str
    cause: str
    thumbnail: str
    overlay: str
    missing: str
    made_by: str = ""
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Gallery:
    """The errors of one run; `note` says what holds for all of them."""

    name: str
    pictures: tuple[Picture, ...]
    note: str


@dataclass(frozen=True, slots=True)
class Moved:
    """Where the images of all runs are now, and their labels; None: where they were."""

    data: Path | None = None
    labels: Path | None = None


def build_gallery(
    folder: Path, record: RunRecord, name: str, genuine: pd.DataFrame, limit: int, moved: Moved
) -> Gallery:
    """The most confident of the run's genuine errors, with what its dataset still has of them."""
    own = genuine[genuine["run"] == record.run_id]
    chosen = own.sort_values(["p_predicted", "image_id"], ascending=[False, True]).head(limit)
    errors = chosen.to_dict("records")
    if record.imported:
        note = "Imported predictions: no images came with them, so there are none to show."
        return Gallery(name, tuple(_picture(error, missing="imported") for error in errors), note)
    try:
        source = _Source(folder, record, [str(error["image_id"]) for error in errors], moved)
    except ReproError as reason:
        hint = f" ({reason.hint})" if reason.hint else ""
        note = f"No image can be shown: {reason}{hint}"
        return Gallery(name, tuple(_picture(error, missing="not there") for error in errors), note)
    return Gallery(name, tuple(source.picture(error) for error in errors), "")


def build_turned_gallery(
    folder: Path,
    record: RunRecord,
    name: str,
    genuine: pd.DataFrame,
    turns: Mapping[str, Turn],
    moved: Moved,
) -> Gallery:
    """The most confident of the run's genuine errors that a probe turned right, each with its dose."""
    turned = genuine[genuine["image_id"].isin(turns)]
    shown = build_gallery(folder, record, name, turned, N_TURNED, moved)
    return replace(
        shown, pictures=tuple(replace(p, remark=_remark(turns[p.image_id])) for p in shown.pictures)
    )


def _remark(turn: Turn) -> str:
    dose = f"{turn.intervention} {turn.dose:.3g}"
    return f"right with: {dose}; p (true) {turn.p_before:.3f} → {turn.p_with:.3f}"


class _Source:
    """Where the images of a run are, and what their bytes must be."""

    def __init__(self, folder: Path, record: RunRecord, image_ids: Sequence[str], moved: Moved) -> None:
        self.record = record
        self.dataset = open_run_images(record, moved.data, moved.labels)
        self.samples = {sample.image_id: sample for sample in self.dataset.samples}
        rows = read_rows(folder, record, ["image_id", "sha256"])
        self.sha256 = dict(zip(rows["image_id"].to_pylist(), rows["sha256"].to_pylist(), strict=True))
        maps = load_maps(folder, image_ids).to_pylist()
        self.maps = {row["image_id"]: row for row in maps if (row["target"], row["status"]) == (CONTRAST, OK)}

    def picture(self, error: Mapping[Any, Any]) -> Picture:
        image_id = str(error["image_id"])
        try:
            data = self.dataset.read(self.samples[image_id])
            if hashlib.sha256(data).hexdigest() != self.sha256[image_id]:
                return _picture(error, missing="another image than the one that was scored (sha256)")
            image = decode(data).rgb
        except KeyError:
            return _picture(error, missing="no longer in the dataset")
        except (OSError, UnreadableImage) as reason:
            return _picture(error, missing=f"cannot be read: {reason}")
        shown = _picture(error, thumbnail=jpeg_uri(image, LONG_SIDE_PX))
        if (row := self.maps.get(image_id)) is not None and row["sha256"] == self.sha256[image_id]:
            overlay = jpeg_uri(self._overlay(image, row), LONG_SIDE_PX)
            return replace(shown, overlay=overlay, made_by=made_by(row))
        return shown

    def _overlay(self, image: Image, row: Mapping[str, Any]) -> Image:
        """The crop that was scored, grey, and the map of why the predicted class over it."""
        from matplotlib import colormaps
        from PIL import Image as Images

        from repro.evaluation.preprocess import crop

        pixels = crop(image, self.record.known_protocol.geometry).permute(1, 2, 0).numpy()
        values = upsampled(row, len(pixels))
        colours = colormaps["inferno"](values / values.max())[..., :3]
        coloured = Images.fromarray((colours * 255).astype(np.uint8))
        grey = Images.fromarray(pixels).convert("L").convert("RGB")
        return Images.blend(grey, coloured, _OPACITY)


def _picture(error: Mapping[Any, Any], *, thumbnail: str = "", missing: str = "") -> Picture:
    return Picture(
        image_id=str(error["image_id"]),
        path=str(error["path"]),
        true=class_name(int(error["label"])),
        predicted=class_name(int(error["predicted"])),
        p_predicted=_probability(error["p_predicted"]),
        p_true=_probability(error["p_label"]),
        cause=str(error["cause"]),
        thumbnail=thumbnail,
        overlay="",
        missing=missing,
    )


def _probability(p: float) -> str:
    return "" if np.isnan(p) else f"{p:.3f}"


def gallery_table(title: str, galleries: Sequence[Gallery], rule: str) -> Table:
    """The same errors in words, one group a run."""
    return Table(
        title=title,
        columns=(
            Column("Image"),
            Column("True class"),
            Column("Predicted"),
            Column("p (predicted)", "right"),
            Column("p (true)", "right"),
            Column("Cause"),
            Column("Picture"),
            Column("Remark"),
        ),
        groups=tuple(Group(gallery.name, tuple(map(_cells, gallery.pictures))) for gallery in galleries),
        notes=(
            rule,
            *(f"{gallery.name}: {gallery.note}" for gallery in galleries if gallery.note),
        ),
        grouped_by="Model",
    )


def _cells(picture: Picture) -> tuple[str, ...]:
    if picture.overlay:
        shown = f"image and heat map ({picture.made_by})"
    else:
        shown = "image" if picture.thumbnail else picture.missing
    return (
        picture.image_id,
        picture.true,
        picture.predicted,
        picture.p_predicted,
        picture.p_true,
        picture.cause,
        shown,
        picture.remark,
    )
