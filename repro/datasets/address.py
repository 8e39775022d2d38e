"""Object storage by its address, `s3://bucket/imagenet/data`, wherever else a path is asked for."""

from __future__ import annotations

import os
from collections.abc import Generator
from functools import cache
from pathlib import Path, PosixPath
from typing import TYPE_CHECKING, Any

from repro.exceptions import UsageError
from repro.specs import spelled_address

if TYPE_CHECKING:
    from pyarrow.fs import FileInfo, FileSystem

SCHEMES = ("s3", "gs")
"""What pyarrow's file systems read, with the credentials that their environment variables hold."""


class Address(PosixPath):
    """What is asked of a path to read Parquet shards; its names are taken apart like those of a path.

    Nothing is kept open: what is forked or unpickled connects for itself.
    """

    def __str__(self) -> str:
        return super().__str__().replace(":/", "://", 1)

    def is_dir(self, **_: Any) -> bool:
        return not self._info().is_file

    def glob(self, pattern: str, **_: Any) -> Generator[Address, None, None]:
        """What lies directly in it and has such a name; nothing where there is no such folder.

        Raises:
            OSError: it cannot be asked.
        """
        from pyarrow.fs import FileSelector

        system, key = self._reached()
        found = system.get_file_info(FileSelector(key, allow_not_found=True))
        return (
            self / info.base_name for info in found if info.is_file and Path(info.base_name).match(pattern)
        )

    def open(self, *_: Any, **__: Any) -> Any:
        """To be read at random, by ranges.

        Raises:
            OSError: it cannot be read.
        """
        system, key = self._reached()
        return system.open_input_file(key)

    def _info(self) -> FileInfo:
        system, key = self._reached()
        return system.get_file_info(key)

    def _reached(self) -> tuple[FileSystem, str]:
        scheme, _, key = str(self).partition("://")
        return _connect(f"{scheme}://{key.partition('/')[0]}", os.getpid()), key


def as_address(path: Path) -> Address | None:
    """`s3://bucket/val`, which as a path is `s3:/bucket/val`; None for a path of this machine.

    Raises:
        UsageError: it is an address of a kind that is not read.
    """
    scheme, colon, _ = spelled_address(path).partition("://")
    if not colon:
        return None
    if scheme not in SCHEMES:
        raise UsageError(
            f"{scheme}:// is no kind of address that is read: there are {', '.join(SCHEMES)}",
            hint="bring the images here, or mount what holds them",
        )
    return Address(path)


@cache
def _connect(bucket: str, _process: int) -> FileSystem:
    from pyarrow.fs import FileSystem

    system, _ = FileSystem.from_uri(bucket)
    return system
