"""The default dataset: 20 labelled ImageNet photographs that the package `foolbox` ships."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Self

from repro.catalogue.packages import package_folder
from repro.datasets.files import ImageFiles, scan
from repro.exceptions import DataRefused, Unavailable
from repro.specs import Sample

NAME = "photos20"
N_PHOTOS = 20

_PHOTO = re.compile(r"(imagenet_\d\d_(\d{1,3}))\.jpg")


class Photos20(ImageFiles):
    @classmethod
    def open(cls) -> Self:
        """Lists the photographs.

        Raises:
            Unavailable: the package is not installed.
            DataRefused: it no longer holds them.
        """
        root = find_photos()
        if root is None:
            raise Unavailable(
                "the 20 photographs come with the package foolbox, which is not installed",
                hint="pip install foolbox",
            )
        photos = [match for image in scan(root).images if (match := _PHOTO.fullmatch(image.name))]
        if len(photos) != N_PHOTOS:
            raise DataRefused(f"{root} holds {len(photos)} ImageNet photographs, not {N_PHOTOS}")
        return cls(
            name=NAME,
            kind=f"{NAME} ({N_PHOTOS} photographs of the foolbox package)",
            root=root,
            samples=tuple(Sample(photo[1], photo[0], int(photo[2])) for photo in photos),
            labels_from="file names",
            ignored=0,
            n_expected=N_PHOTOS,
        )


def find_photos() -> Path | None:
    """The folder of the photographs, found without importing the package."""
    folder = package_folder("foolbox")
    return folder / "data" if folder else None
