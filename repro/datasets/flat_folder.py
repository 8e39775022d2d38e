"""All images in one folder, as ImageNet's validation set ships; the labels come from elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from repro.datasets.dataset import image_ids
from repro.datasets.files import ImageFiles, refuse_duplicates, scan
from repro.datasets.labels import ImageLabels, packaged_labels
from repro.specs import Sample


class FlatFolder(ImageFiles):
    @classmethod
    def open(cls, root: Path, folder: Path, labels: ImageLabels | None) -> Self:
        """Lists the images in `folder`, which is `root` or lies in it.

        Raises:
            DataRefused: no labels are to be had, an image has none, or is there twice.
        """
        listing = scan(folder)
        refuse_duplicates(listing.images)
        prefix = "" if folder == root else f"{folder.relative_to(root).as_posix()}/"
        paths = [f"{prefix}{image.name}" for image in listing.images]
        labels = labels or packaged_labels("flat folder")
        rows = zip(image_ids(paths), paths, labels.of(paths), strict=True)
        return cls.from_samples(
            [Sample(*row) for row in rows],
            root=root,
            kind="flat folder",
            labels_from=labels.origin,
            ignored=listing.ignored + len(listing.folders),
        )
