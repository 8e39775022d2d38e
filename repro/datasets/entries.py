"""What the name of a file, folder or archive member says: an image, or nothing of ours."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

from repro.exceptions import UsageError

VAL_IMAGE = re.compile(r"ILSVRC2012_val_\d{8}")
"""The id of an image of the ImageNet validation set."""

_IMAGE_SUFFIX = re.compile(r"\.(jpe?g|png)$", re.IGNORECASE)
_FOREIGN = ("__MACOSX", "@eaDir")


def is_hidden(name: str) -> bool:
    """Whether an operating system or a file server put it there (`.cache`, `._x.JPEG`, `@eaDir`)."""
    return name.startswith(".") or name in _FOREIGN


def is_image(name: str) -> bool:
    return _IMAGE_SUFFIX.search(name) is not None


def is_text(name: str) -> bool:
    """Whether UTF-8 can write it, as records do; a file system allows any bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def require_text(option: str, path: Path) -> None:
    """Refuses a path that a record could not hold.

    Raises:
        UsageError: it is not UTF-8.
    """
    if not is_text(str(path)):
        raise UsageError(
            f"{option} {str(path)!a} is not UTF-8, in which records hold it",
            hint="rename it, or reach it by a link of another name",
        )


def image_stem(path: str) -> str:
    """`val/ILSVRC2012_val_00000293.JPEG` without folder and image suffix."""
    return _IMAGE_SUFFIX.sub("", _file_name(path))


def match_names(asked: Sequence[str], known: Collection[str]) -> dict[str, str]:
    """Which of the `known` names each of those `asked` means, where one is meant and no other could be.

    The same path is the same image; else the same file name, or the same stem, that nobody else has on
    either side: `siteA/001.jpg` says nothing about `siteB/001.jpg`, nor `a.jpg` about an `a.png` beside it.
    """
    meant = {name: name for name in asked if name in known}
    for key in (_file_name, image_stem):
        ours, theirs = Counter(map(key, asked)), Counter(map(key, known))
        by_key = {key(name): name for name in known if theirs[key(name)] == 1}
        for name in asked:
            if ours[key(name)] == 1 and key(name) in by_key:
                meant.setdefault(name, by_key[key(name)])
    return meant


def _file_name(path: str) -> str:
    return path.rpartition("/")[2]


def first_few(names: Sequence[str], n: int = 3) -> str:
    """`a, b, c and 97 more`"""
    more = f" and {len(names) - n:,} more" if len(names) > n else ""
    return ", ".join(names[:n]) + more
