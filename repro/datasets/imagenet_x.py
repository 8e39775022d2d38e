"""What the package `imagenet-x` ships beside the validation images (Idrissi et al., ICLR 2023; CC BY-NC 4.0).

It is never part of this project: whoever wants it installs it, and it is found without importing it.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from repro.datasets.labels import ImageLabels, read_csv_labels

PACKAGE = "imagenet-x package"


def find_annotations() -> Path | None:
    """The folder of its annotations, or None where it is not installed."""
    spec = find_spec("imagenet_x")
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(spec.submodule_search_locations[0]) / "annotations"
    return folder if folder.is_dir() else None


def imagenet_x_labels() -> ImageLabels | None:
    """The true labels of the 50,000 validation images, or None where it is not installed.

    Raises:
        DataRefused: the package no longer holds what it should.
    """
    folder = find_annotations()
    return read_csv_labels(folder / "filename_label.csv", PACKAGE) if folder else None
