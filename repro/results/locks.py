"""Locks that are held for as long as something is written: taken at once, or refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from filelock import FileLock, Timeout

from repro.exceptions import Busy
from repro.results.atomic import storage_errors


def take_lock(path: Path, busy: Callable[[], Busy]) -> FileLock:
    """The lock at `path`, held by this process; to be released.

    Raises:
        Busy: another process has it; `busy` says so.
        StorageError: its folder cannot be made, or written to.
    """
    with storage_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise busy() from None
    return lock
