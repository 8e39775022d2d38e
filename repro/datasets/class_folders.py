"""One folder a class, named by WordNet id: `val/n01440764/ILSVRC2012_val_00000293.JPEG`.

Those of ImageNet-V2 are named by the class's index: `7/….jpeg`.
"""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Self

from repro.catalogue.classes import is_wnid
from repro.catalogue.test_sets import TestSet
from repro.datasets.dataset import image_ids
from repro.datasets.files import ImageFiles, Listing, refuse_duplicates, scan
from repro.datasets.labels import label_of_folder, labels_of_folders
from repro.exceptions import DataRefused
from repro.specs import Sample


class ClassFolders(ImageFiles):
    """A label is what the folder's name says, never its place among the folders that happen to be there."""

    @classmethod
    def open(cls, root: Path, folder: Path, test_set: TestSet | None = None) -> Self:
        """Lists the class folders in `folder`, which is `root` or in it, and is said to be `test_set`.

        Raises:
            DataRefused: a folder of images is no class, a class has no images, an image is there twice.
        """
        classes, ignored = _list_classes(folder)
        refuse_duplicates(chain.from_iterable(listing.images for listing in classes.values()))
        n_images = {name: len(listing.images) for name, listing in classes.items()}
        labels_from, label_of = labels_of_folders(n_images, test_set)
        prefix = "" if folder == root else f"{folder.relative_to(root).as_posix()}/"
        labelled = [
            (f"{prefix}{name}/{image.name}", label_of[name])
            for name, listing in classes.items()
            for image in listing.images
        ]
        ids = image_ids([path for path, _ in labelled])
        samples = [Sample(image_id, *of_path) for image_id, of_path in zip(ids, labelled, strict=True)]
        return cls.from_samples(
            samples, root=root, kind="class folders", labels_from=labels_from, ignored=ignored
        )


def _list_classes(folder: Path) -> tuple[dict[str, Listing], int]:
    """What lies in each class folder, by wnid, and how many entries are none of ours."""
    top = scan(folder)
    if top.images:
        raise DataRefused(
            f"{top.images[0].path} ({len(top.images):,} such) lies beside the class folders; "
            "move each image into its class folder, or away"
        )
    classes = {}
    ignored = top.ignored
    for name in top.folders:
        listing = scan(folder / name)
        if not is_wnid(name) and not listing.images:
            ignored += 1  # train/ beside the classes, say
            continue
        if not name.isdecimal():
            label_of_folder(name)
        if not listing.images:
            raise DataRefused(f"class folder {folder / name} holds no images; fill it or remove it")
        classes[name] = listing
        ignored += listing.ignored + len(listing.folders)
    return classes, ignored
