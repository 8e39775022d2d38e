"""A tar archive, read in place: of class folders, or flat like `ILSVRC2012_img_val.tar`."""

from __future__ import annotations

import tarfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Self

from repro.catalogue.classes import is_wnid
from repro.catalogue.test_sets import TestSet
from repro.datasets.dataset import Dataset, image_ids
from repro.datasets.entries import VAL_IMAGE, first_few, image_stem, is_hidden, is_image
from repro.datasets.labels import ImageLabels, labels_of_folders, packaged_labels
from repro.exceptions import DataRefused
from repro.specs import Sample


class TarArchive(Dataset):
    """Members are found by offset and read where they are: nothing is extracted, names are only labels."""

    @classmethod
    def open(cls, path: Path, labels: ImageLabels | None, test_set: TestSet | None = None) -> Self:
        """Lists the images of the archive, in its order; they are said to be `test_set`'s.

        Raises:
            DataRefused: the archive is damaged or cut, an image has no label, or is there twice; or class
                folders lie in several folders, and it cannot be told which are meant.
        """
        members, ignored = _list_images(path)
        paths = list(members)
        folders = [PurePosixPath(name).parent.name for name in paths]
        if any(map(is_wnid, folders)) or _are_numbered(paths, folders, labels):
            kind = "tar of class folders"
            paths, n_strange = _of_one_split(path, paths)
            ignored += n_strange
            folders = [PurePosixPath(name).parent.name for name in paths]
            labels_from, label_of = labels_of_folders(Counter(folders), test_set)
            indices = [label_of[folder] for folder in folders]
        else:
            labels = labels or packaged_labels("flat tar")
            kind, labels_from = "flat tar", labels.origin
            image_ids(paths)  # an image that is there twice is told as that, not as one without a label
            indices = labels.of(paths)
        samples = [
            Sample(image_id, name, label, path.name, members[name].offset_data, members[name].size)
            for image_id, name, label in zip(image_ids(paths), paths, indices, strict=True)
        ]
        return cls.from_samples(samples, root=path, kind=kind, labels_from=labels_from, ignored=ignored)

    def read(self, sample: Sample) -> bytes:
        with self.root.open("rb") as file:
            file.seek(sample.position)
            data = file.read(sample.size_bytes)
        if len(data) < sample.size_bytes:
            raise OSError(f"archive ends early: {self.root}")
        return data


def _are_numbered(paths: Sequence[str], folders: Sequence[str], labels: ImageLabels | None) -> bool:
    """Whether the images lie in folders named by numbers, and their labels are to be had nowhere else."""
    flat = labels is not None or any(VAL_IMAGE.fullmatch(image_stem(path)) for path in paths)
    return not flat and any(folder.isdecimal() for folder in folders)


def _of_one_split(path: Path, names: list[str]) -> tuple[list[str], int]:
    """All images; or, where class folders lie in several places, those at the root, or else in `val/`.

    Also how many others lie below that place, where a folder would count them as strange.
    """
    parents = {name: PurePosixPath(name).parent for name in names}
    classes = {folder for folder in parents.values() if is_wnid(folder.name) or folder.name.isdecimal()}
    splits = sorted({folder.parent for folder in classes})
    if len(splits) == 1:
        return names, 0
    root = PurePosixPath(".")
    chosen = [root] if root in splits else [split for split in splits if split.name == "val"]
    if len(chosen) != 1:
        raise DataRefused(
            f"{path} has class folders in {first_few(list(map(str, splits)))}, and not in one val/; "
            "an archive of one of them is needed"
        )
    found = [name for name, folder in parents.items() if chosen[0] in (folder, folder.parent)]
    return found, sum(chosen[0] in (folder, *folder.parents) for folder in parents.values()) - len(found)


def _list_images(path: Path) -> tuple[dict[str, tarfile.TarInfo], int]:
    """The image members by normalised name, and how many others there are."""
    try:
        with tarfile.open(path, mode="r:") as archive:
            members = [member for member in archive if not member.isdir()]
            end = archive.offset
    except tarfile.TarError as error:
        raise DataRefused(f"archive ends early or is damaged: {path} ({error})") from error
    _refuse_unmarked_end(path, end)
    named = [(_normalised(member.name), member) for member in members]
    ours = [(name, member) for name, member in named if _is_ours(name)]
    if links := [(name, member.linkname) for name, member in ours if member.islnk() or member.issym()]:
        name, target = links[0]
        raise DataRefused(
            f"duplicate: {name} is a link to {target} in {path}, one of {len(links):,}; "
            "an image is there once, as a file"
        )
    images = [(name, member) for name, member in ours if member.isreg() and not member.issparse()]
    name, n = Counter(name for name, _ in images).most_common(1)[0] if images else ("", 0)
    if n > 1:
        raise DataRefused(f"duplicate: {name} is {n} times in {path}")
    return dict(images), len(members) - len(images)


def _refuse_unmarked_end(path: Path, end: int) -> None:
    """An archive cut between two members still lists well: only the zeros at its end say that it is whole."""
    with path.open("rb") as file:
        file.seek(end)
        marker = file.read(2 * tarfile.RECORDSIZE)
    if len(marker) < tarfile.BLOCKSIZE or marker.strip(b"\0"):
        raise DataRefused(
            f"archive ends early: {path} has no end marker after its last member; fetch it again"
        )


def _normalised(name: str) -> str:
    """`./val//x.JPEG` and `/val/x.JPEG` are `val/x.JPEG`; `..` stays, and hides the member."""
    return PurePosixPath(name.lstrip("/")).as_posix()


def _is_ours(name: str) -> bool:
    return is_image(name) and not any(map(is_hidden, name.split("/")))
