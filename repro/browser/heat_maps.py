"""Heat maps as the browser draws them: small pictures, spread over the crop they were computed on."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from repro.browser import runs
from repro.catalogue.classes import class_name
from repro.reporting.heat_maps import Rows, by_image, made_by, upsampled
from repro.results.heat_maps import CONTRAST, OK, PREDICTED, TARGETS, TRUE, load_maps

DRAWN_PX = 56


@dataclass(frozen=True, slots=True)
class MapView:
    """A crop and the map over it, as data URIs; without a map `caption` says why."""

    src: str
    map: str
    missing: str
    caption: str


def kept_maps(run: str, image_ids: Sequence[str]) -> dict[str, Rows]:
    """The maps of these images that are kept beside the run, by target.

    Raises:
        StorageError: they are damaged.
    """
    return by_image(load_maps(runs.run_folder(run), image_ids), image_ids)


def map_views(maps: Rows, crop: str, missing: str = "") -> tuple[MapView, ...]:
    """The maps of an image over its crop (a data URI), or why there is none; on one scale of colours."""
    good = [max(row["map"]) for row in maps.values() if row["status"] == OK]
    largest = max(good, default=1.0)
    return tuple(_view(maps[target], crop, missing, largest, target) for target in TARGETS if target in maps)


def _view(row: Mapping[str, Any], crop: str, missing: str, largest: float, target: str) -> MapView:
    caption = _caption(row, target)
    if row["status"] != OK:
        return MapView(crop, "", missing, f"{caption}: {row['status']}")
    return MapView(crop, "" if missing else _map_uri(row, largest), missing, caption)


def _caption(row: Mapping[str, Any], target: str) -> str:
    true, predicted, against = (class_name(row[name]) for name in ("label", "predicted", "against"))
    of = {TRUE: f"for {true}", PREDICTED: f"for {predicted}", CONTRAST: f"{predicted}, not {against}"}
    return f"{of[target]} ({made_by(row)})"


def _map_uri(row: Mapping[str, Any], largest: float) -> str:
    levels = np.clip(upsampled(row, DRAWN_PX) / largest * 255, 0, 255).astype(np.uint8)
    image = Image.fromarray(levels)
    image.putpalette(_palette())
    file = BytesIO()
    image.save(file, "PNG")
    return f"data:image/png;base64,{b64encode(file.getvalue()).decode()}"


@cache
def _palette() -> bytes:
    """Inferno's 256 colours, as in the pictures of `repro explain`."""
    from matplotlib import colormaps

    return bytes((colormaps["inferno"](np.arange(256))[:, :3] * 255).astype(np.uint8).ravel())
