"""The ReaL labels of the ImageNet validation images, which ship inside timm (Beyer et al., 2020)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

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
    spec = find_spec("timm")
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(spec.submodule_search_locations[0]) / _FILE
    if not path.is_file():
        return None
    by_image = json.loads(path.read_text(encoding="utf-8"))
    if len(by_image) != VAL_IMAGES:
        return None
    pairs = [(image, c) for image, classes in enumerate(by_image) for c in set(classes)]
    images, classes = np.array(pairs, dtype=np.int64).T
    return RealLabels(images, classes, np.bincount(images, minlength=VAL_IMAGES) > 0)


def images_without_label(image_ids: Iterable[str]) -> set[str]:
    """Those validation images in which ReaL's readers saw none of the 1000 classes."""
    real = load_real_labels()
    if real is None:
        return set()
    return {
        image_id
        for image_id in image_ids
        if VAL_IMAGE.fullmatch(image_id)
        and 1 <= int(image_id[-8:]) <= len(real.labelled)
        and not real.labelled[int(image_id[-8:]) - 1]
    }
