"""Files that are there whole or not at all: written beside, flushed to the disk, then renamed."""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import BinaryIO

from repro.exceptions import StorageError

_REASONS = {
    errno.ENOSPC: "disk full",
    errno.EDQUOT: "disk quota used up",
    errno.EFBIG: "file too large for this file system",
    errno.EROFS: "file system is read-only",
    errno.EACCES: "no permission to write",
    errno.EPERM: "no permission to write",
    errno.ENAMETOOLONG: "path too long",
}

_NO_FLUSH = {errno.EINVAL, errno.EBADF, errno.ENOTSUP}
"""What file systems say that cannot flush a folder, as some that are mounted over a network."""

_TEMPORARY = ".*.tmp"


def write_atomically(path: Path, data: bytes) -> None:
    """Writes `data` to `path`, replacing what was there.

    Raises:
        StorageError: the disk did not take it; `path` is then what it was before.
    """
    with replacing(path) as file:
        file.write(data)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, which becomes `path` where the block ends without an error.

    Raises:
        StorageError: the disk did not take it; `path` is then what it was before.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{_shortened(path.stem)}.{uuid.uuid4().hex}.tmp")
        try:
            with temporary.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):  # what failed first is the reason to tell
                temporary.unlink(missing_ok=True)
            raise
        _flush_names(path.parent)


def sweep_temporaries(folder: Path, stem: str = "") -> None:
    """Removes what killed processes left half-written in `folder`, where no other process writes now.

    `stem` is that of the one file that is nobody else's, where others of the folder are.

    Raises:
        StorageError: they cannot be removed.
    """
    with storage_errors(folder):
        for path in folder.glob(f".{escape(_shortened(stem))}.*.tmp" if stem else _TEMPORARY):
            path.unlink(missing_ok=True)


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turns what the file system refuses about `path` into one line that names it."""
    try:
        yield
    except OSError as error:
        reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
        raise StorageError(
            f"{reason}: {path} could not be written; everything finished before is kept",
            hint="make room or choose another folder with --runs, then run the same command again",
        ) from error


def _shortened(stem: str) -> str:
    """The whole letters among its first 200 bytes: of the 255 that a name may have, ours take 38."""
    return os.fsencode(stem)[:200].decode(errors="ignore")


def _flush_names(folder: Path) -> None:
    """Flushes a folder's list of names to the disk, so that a rename survives a power cut."""
    if os.name != "posix":
        return  # Windows cannot open a folder, and needs no flush
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FLUSH:
            raise
    finally:
        os.close(descriptor)
