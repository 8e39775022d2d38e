"""Images that are files of their own: how folders are listed, and files read."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from repro.datasets.dataset import Dataset
from repro.datasets.entries import is_hidden, is_image
from repro.exceptions import DataRefused
from repro.specs import Sample


class ImageFiles(Dataset):
    def file_of(self, sample: Sample) -> Path:
        return self.root / sample.path

    def read(self, sample: Sample) -> bytes:
        return self.file_of(sample).read_bytes()


@dataclass(slots=True)
class Listing:
    """What lies directly in a folder, sorted by name; `ignored` counts what is neither."""

    folders: list[str] = field(default_factory=list)
    images: list[os.DirEntry[str]] = field(default_factory=list)
    ignored: int = 0


def scan(folder: Path) -> Listing:
    """Lists a folder by names alone; a link to a missing file is an image that cannot be read later."""
    listing = Listing()
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if is_hidden(entry.name):
                listing.ignored += 1
            elif entry.is_dir():
                listing.folders.append(entry.name)
            elif is_image(entry.name) and (entry.is_symlink() or entry.is_file()):
                listing.images.append(entry)
            else:
                listing.ignored += 1
    return listing


def refuse_duplicates(images: Iterable[os.DirEntry[str]]) -> None:
    """Refuses a file that is there twice, by a symbolic or a hard link.

    Listing a folder already tells the inode numbers: only links, and files that share a number
    (two file systems may use the same one), cost a question to the file system.

    Raises:
        DataRefused: two entries are the same file.
    """
    path_by_inode: dict[int, str] = {}
    for image in images:
        if image.is_symlink() and not Path(image.path).exists():
            continue
        inode = image.stat().st_ino if image.is_symlink() else image.inode()
        first = path_by_inode.setdefault(inode, image.path)
        if first != image.path and Path(first).samefile(image.path):
            raise DataRefused(f"duplicate: {first} and {image.path} are the same file")
