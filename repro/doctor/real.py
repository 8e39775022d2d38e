"""The ReaL labels of the ImageNet validation images, which ship inside timm (Beyer et al., 2020)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from repro.catalogue.packages import package_folder
from repro.datasets.dataset import VAL_IMAGES
from repro.datasets.entries import VAL_IMAGE

Ints = NDArray[np.int64]

_FILE = "data/_info/imagenet_real_labels.json"


@dataclass(frozen=True, slots=True)
class RealLabels:
    """Pairs of a validation image (0 is ILSVRC2012_val_00000001) and a class that people saw in it.

    `labelled` tells, by image, whether there is any: a reader saw none of the 1000 classes in some.
    """

    images: Ints
    classes: Ints
    labelled: NDArray[np.bool_]


@cache
def load_real_labels() -> RealLabels | None:
    """ReaL's labels, found without importing timm; None where this timm has none."""
    folder = package_folder("timm")
    path = folder / _FILE if folder else None
    if path is None or not path.is_file():
        return None
    by_image = json.loads(path.read_text(encoding="utf-8"))
    if len(by_image) != VAL_IMAGES:
        return None
    distinct = [set(classes) for classes in by_image]
    n_given = np.fromiter(map(len, distinct), dtype=np.int64)
    classes = np.fromiter(chain.from_iterable(distinct), dtype=np.int64)
    return RealLabels(np.repeat(np.arange(VAL_IMAGES), n_given), classes, n_given > 0)


def val_places(image_ids: Sequence[str]) -> Ints:
    """The place of each image in ImageNet val (0 is ILSVRC2012_val_00000001); -1 where it is none of it."""
    ids = pa.array(image_ids, pa.string())
    is_val = pc.match_substring_regex(ids, f"^{VAL_IMAGE.pattern}$")
    numbers = pc.if_else(is_val, pc.utf8_slice_codeunits(ids, -8), "0").cast(pa.int64()).to_numpy()
    places: Ints = np.where(numbers <= VAL_IMAGES, numbers - 1, -1)
    return places


def images_without_label(image_ids: Iterable[str]) -> set[str]:
    """Those validation images in which ReaL's readers saw none of the 1000 classes."""
    real = load_real_labels()
    if real is None:
        return set()
    ids = list(image_ids)
    places = val_places(ids).tolist()
    return {i for i, place in zip(ids, places, strict=True) if place >= 0 and not real.labelled[place]}
