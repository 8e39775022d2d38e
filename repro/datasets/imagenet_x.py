"""What the package `imagenet-x` ships beside the validation images (Idrissi et al., ICLR 2023; CC BY-NC 4.0).

It is never part of this project: whoever wants it installs it, and it is found without importing it.
"""

from __future__ import annotations

from pathlib import Path

from repro.catalogue.packages import package_folder
from repro.datasets.labels import ImageLabels, read_csv_labels

PACKAGE = "imagenet-x package"


def find_annotations() -> Path | None:
    """The folder of its annotations, or None where it is not installed."""
    package = package_folder("imagenet_x")
    folder = package / "annotations" if package else None
    return folder if folder and folder.is_dir() else None


def imagenet_x_labels() -> ImageLabels | None:
    """The true labels of the 50,000 validation images, or None where it is not installed.

    Raises:
        DataRefused: the package no longer holds what it should.
    """
    folder = find_annotations()
    return read_csv_labels(folder / "filename_label.csv", PACKAGE) if folder else None
