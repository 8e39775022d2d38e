"""Several processes at work on one run: who may write it, and who scores which shard.

A shard in work has a lease, a file that names its holder. Leases only save work: a shard's file bears
the hash of its rows and appears whole or not at all, so that a lease lost, or taken from a process that
only seemed dead, costs time and never a row.

The file system must offer flock, exclusive creation and atomic renaming between all the machines, as
NFS (version 4), Lustre mounted with `flock`, and every local file system do.
"""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from repro.exceptions import Busy, UsageError
from repro.results.atomic import storage_errors

LAPSE_SECONDS = 300
"""How long a holder on another machine may give no sign of life; its own machine knows at once."""

RENEWAL_SECONDS = 10
"""How often a sign of life is given, at the most."""

ENTRY_SECONDS = 20
"""How long one waits for another process of the same launch to let one in."""

_OURS: set[str] = set()
"""The holders that this process is. Any other with its number is dead: where a container is started
again, its processes have the host's name and the numbers of those before."""


@contextmanager
def shared_lock(
    path: Path,
    name: str,
    owner_path: Path,
    come: Callable[[], None],
    leave: Callable[[], None],
    busy: Callable[[], Busy],
) -> Iterator[None]:
    """Holds the lock at `path` together with every process that says the same `name`.

    The first of them calls `come`, and the last one `leave`, while no other one is there. The lock is
    flock's, which `filelock` takes too: whoever wants it alone is kept out, and keeps out.

    Raises:
        Busy: it is held by a process of its own, or by those of another name.
        StorageError: the file system has no such locks, or does not take it.
    """
    descriptor = _enter(path, name, owner_path, come, busy)
    try:
        yield
    finally:
        try:
            alone = False
            with suppress(OSError):  # the lock ends with this process at the latest
                alone = _is_alone(descriptor)
            if alone:
                leave()
        finally:
            os.close(descriptor)


def _is_alone(descriptor: int) -> bool:
    """Whether the lock is this process's alone from now on."""
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _closed_on_error(descriptor: int) -> Iterator[None]:
    """Gives a lock back that nobody would hold."""
    try:
        yield
    except BaseException:
        os.close(descriptor)
        raise


def _enter(
    path: Path, name: str, owner_path: Path, come: Callable[[], None], busy: Callable[[], Busy]
) -> int:
    try:
        import fcntl
    except ImportError:
        raise UsageError("several processes can share a run on Linux and macOS only") from None
    deadline = time.monotonic() + ENTRY_SECONDS
    while True:
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        with _closed_on_error(descriptor), storage_errors(path):
            first = _is_alone(descriptor)
            if first:
                with storage_errors(owner_path):
                    owner_path.write_text(name, encoding="utf-8")
                come()
            with suppress(BlockingIOError, FileNotFoundError):
                # Not in one step: between the two locks another one may come in, and be the first.
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
                is_there = os.fstat(descriptor).st_ino == path.stat().st_ino  # not removed by one who left
                if is_there and read_owner(owner_path) == name:
                    return descriptor
        os.close(descriptor)
        owner = read_owner(owner_path)
        if (owner not in ("", name) and not first) or time.monotonic() > deadline:
            raise busy()
        time.sleep(0.02)


def read_owner(path: Path) -> str:
    """Who is said to write a run; empty where nobody is."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


@dataclass(slots=True)
class Leases:
    """The leases of one run in `folder`, seen by one process."""

    folder: Path
    _held: dict[str, float] = field(default_factory=dict)
    _seen: dict[str, tuple[str, float]] = field(default_factory=dict)
    _me: str = field(default_factory=lambda: f"{socket.gethostname()} {os.getpid()} {uuid.uuid4().hex}")

    def __post_init__(self) -> None:
        _OURS.add(self._me)

    def take(self, name: str) -> bool:
        """Whether this process holds the lease now; one whose holder is dead is taken over."""
        path = self.folder / name
        with storage_errors(path):
            self.folder.mkdir(parents=True, exist_ok=True)
            if self._lapsed(name):
                aside = path.with_name(f".{uuid.uuid4().hex}.tmp")
                with suppress(FileNotFoundError):  # another was faster
                    path.rename(aside)
                    aside.unlink()
            try:
                with path.open("x", encoding="utf-8") as file:
                    file.write(self._me)
            except FileExistsError:
                return False
        self._held[name] = time.monotonic()
        return True

    def renew(self) -> None:
        """Gives a sign of life."""
        now = time.monotonic()
        for name, renewed in self._held.items():
            if now - renewed >= RENEWAL_SECONDS:
                with suppress(OSError):  # taken over, or the disk is away: neither is worse than lost time
                    os.utime(self.folder / name)
                self._held[name] = now

    def give_back(self, name: str) -> None:
        """Lets others have the lease; best effort, for it ends with this process anyway."""
        self._held.pop(name, None)
        with suppress(OSError):
            if (self.folder / name).read_text(encoding="utf-8") == self._me:
                (self.folder / name).unlink()

    def give_all_back(self) -> None:
        """Lets others have what was not finished."""
        for name in list(self._held):
            self.give_back(name)

    def _lapsed(self, name: str) -> bool:
        """Whether the holder is dead: at once on this machine, elsewhere once the lease is left alone.

        The time that counts is the one it was watched for, since clocks of machines differ.
        """
        path = self.folder / name
        try:
            holder, stamp = path.read_text(encoding="utf-8"), path.stat().st_mtime_ns
        except OSError:
            return False
        now, sign = time.monotonic(), f"{holder} {stamp}"
        if self._seen.get(name, ("", 0.0))[0] != sign:
            self._seen[name] = (sign, now)
        host, _, rest = holder.partition(" ")
        pid = rest.partition(" ")[0]
        if host == socket.gethostname():
            predecessor = pid == str(os.getpid()) and holder not in _OURS
            if predecessor or not _is_alive(pid):
                return True
        return now - self._seen[name][1] > LAPSE_SECONDS


def _is_alive(pid: str) -> bool:
    if not pid.isdigit():
        return True  # the holder is just about to write its name
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # another user's
    return True
