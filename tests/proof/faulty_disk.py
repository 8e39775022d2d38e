"""A disk that fails, or a process that dies, at a chosen call: every way by which Python code reaches files.

Covered are the functions of `os` and `fcntl` below, by which pathlib, shutil and filelock work, and
`io.open`, whose files here make each of their system calls through `os.open`, `os.read`, `os.write`
and `os.close`. Not covered are calls from C (pyarrow is only given bytes); `unseen` tells if there were any.
"""

from __future__ import annotations

import fcntl
import io
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_OS = (
    *("open", "close", "read", "write", "fsync", "replace", "rename", "unlink", "remove"),
    *("mkdir", "rmdir", "scandir", "listdir", "stat", "lstat", "fstat"),
)

Fault = Callable[[int, str, Callable[..., Any], tuple[Any, ...]], Any]
"""Is given a call's number, name, function and arguments; performs it, or not."""


MOMENTS = ("before", "after", "half")
"""When, about a call, a process dies; `half` of a write is done then."""


class Killed(BaseException):
    """Nothing after this reached the disk."""


def perform(_number: int, _name: str, call: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """No fault."""
    return call(*arguments)


class Kill:
    """Dies before or after a call, or in the middle of a write; from then on only the kernel acts."""

    def __init__(self, at: int, moment: str = "before") -> None:
        self.at, self.moment, self.dead = at, moment, False

    def __call__(self, number: int, name: str, call: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        if self.dead or number == self.at:
            if name in ("close", "flock"):
                call(*arguments)  # the kernel closes and unlocks what a dead process held
            elif not self.dead and self.moment == "after":
                call(*arguments)
            elif not self.dead and self.moment == "half":
                _write_half(name, call, arguments)
            self.dead = True
            if name in ("close", "flock") and number != self.at:
                return None
            raise Killed
        return call(*arguments)


class Refuse:
    """Fails a call with `errno`, half of a write done; if `persistent`, all later calls too."""

    def __init__(self, at: int, errno: int, persistent: bool) -> None:
        self.at, self.errno, self.persistent, self.happened = at, errno, persistent, False

    def __call__(self, number: int, name: str, call: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        if number == self.at or (self.persistent and number > self.at):
            self.happened = True
            _write_half(name, call, arguments)
            if name == "close" or (name == "flock" and arguments[1] == fcntl.LOCK_UN):
                call(*arguments)  # Linux lets a descriptor go even where close fails, and a lock at exit
            raise OSError(self.errno, os.strerror(self.errno))
        return call(*arguments)


def _write_half(name: str, call: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    if name == "write":
        descriptor, data = arguments
        call(descriptor, bytes(data)[: len(data) // 2])


class FaultyDisk:
    """While entered, all calls go through `fault`; `calls` are their names."""

    def __init__(self, fault: Fault = perform, root: Path | None = None) -> None:
        self.fault, self.root = fault, str(root) if root else None
        self.calls: list[str] = []
        self.unseen: list[str] = []
        self._inside = 0
        self._real: list[tuple[Any, str, Any]] = []

    def __enter__(self) -> Self:
        for module, name in [*((os, name) for name in _OS), (fcntl, "flock")]:
            self._patch(module, name, partial(self._call, name, getattr(module, name)))
        self._patch(io, "open", self._open)
        _watching.append(self)
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        _watching.remove(self)
        for module, name, real in self._real:
            setattr(module, name, real)

    def _patch(self, module: Any, name: str, replacement: Any) -> None:
        self._real.append((module, name, getattr(module, name)))
        setattr(module, name, replacement)

    def _call(self, name: str, real: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        number = len(self.calls)
        self.calls.append(name)
        self._inside += 1
        try:
            return self.fault(number, name, partial(real, **options), arguments)
        finally:
            self._inside -= 1

    def _open(
        self, path: Any, mode: str = "r", buffering: int = -1, encoding: str | None = None, *_: Any
    ) -> Any:
        """`io.open` for what the store asks of it: whole files, text or bytes, to read or to write."""
        raw = _File(path, writes="w" in mode)
        file = io.BufferedWriter(raw) if "w" in mode else io.BufferedReader(raw)
        return file if "b" in mode else io.TextIOWrapper(file, encoding or "utf-8")

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Python itself reports each opening, renaming, removing …: none may pass by `_call`."""
        if not self._inside and self.root and event in _EVENTS and self.root in str(arguments[0]):
            self.unseen.append(f"{event} {arguments[0]}")


class _File(io.RawIOBase):
    """A file each of whose system calls is a call of `os`, looked up when it is made."""

    def __init__(self, path: Any, writes: bool) -> None:
        self._writes = writes
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC if writes else os.O_RDONLY
        self._descriptor = os.open(path, flags | os.O_CLOEXEC, 0o666)

    def readable(self) -> bool:
        return not self._writes

    def writable(self) -> bool:
        return self._writes

    def fileno(self) -> int:
        return self._descriptor

    def readinto(self, buffer: Any) -> int:
        data = os.read(self._descriptor, len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def write(self, data: Any) -> int:
        return os.write(self._descriptor, bytes(data))

    def close(self) -> None:
        if not self.closed:
            super().close()
            os.close(self._descriptor)


_EVENTS = frozenset(f"os.{name}" for name in (*_OS, "truncate", "link", "symlink")) | {"open"}
_watching: list[FaultyDisk] = []


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    for disk in _watching:
        disk.audit(event, arguments)


sys.addaudithook(_audit)  # stays for the life of the process; without a disk to watch it does nothing
