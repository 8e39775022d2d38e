"""Rows that grow, image by image, beside a finished run: its heat maps, its probes.

    runs/poolformer_s24-imagenet-val-authors-1a2b3c4d/
      maps/gradcam-stages.3-5e6f7a8b.parquet
      probes/size-9c0d1e2f.parquet

A file's name ends in its identity: the digest of all that decides its rows. It is written anew, whole
or not at all, whenever rows are added, so that what is there need never be computed again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa

from repro.exceptions import Busy, StorageError
from repro.results.atomic import storage_errors, sweep_temporaries, write_atomically
from repro.results.locks import take_lock
from repro.results.predictions import read_checked, to_bytes
from repro.results.runs import file_name
from repro.results.store import ReportDamage

_IDENTITY = b"repro.identity"


def newest_first(folder: Path, name: str) -> list[Path]:
    """The files of kept rows in `folder` whose name is, or fits, `name`; without one that just went."""
    written = {}
    for path in folder.glob(f"{name}-*.parquet"):
        with suppress(FileNotFoundError):
            written[path] = path.stat().st_mtime_ns
    return sorted(written, key=written.__getitem__, reverse=True)


def read_kept(path: Path, what: str, schema: pa.Schema) -> pa.Table:
    """The rows of a file; its columns are those of `schema`, `what` says of what they are.

    Raises:
        StorageError: it is damaged.
    """
    rows = read_checked(path, what)
    if rows.schema.names != schema.names:
        raise StorageError(f"{what} damaged: {path} has other columns")
    return rows


class KeptRows:
    """The rows of one file; each image has all its rows there, or none.

    `told` stands in the file besides them, for whoever reads it without knowing how they were computed.
    """

    def __init__(
        self, folder: Path, name: str, schema: pa.Schema, identity: str, told: Mapping[str, str] | None = None
    ) -> None:
        self.path = folder / f"{file_name(name)}-{identity[:8]}.parquet"
        self._identity = identity.encode()
        stamped: dict[bytes | str, bytes | str] = {_IDENTITY: self._identity}
        self._schema = schema.with_metadata(stamped | dict(told or {}))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the file for this process.

        Raises:
            Busy: another process has it.
        """
        folder = self.path.parent
        lock = take_lock(folder / f".{self.path.stem}.lock", self._busy)
        try:
            sweep_temporaries(folder, self.path.stem)
            yield
        finally:
            lock.release()

    def _busy(self) -> Busy:
        return Busy(
            f"another repro process writes {self.path}",
            hint="wait for it, or stop it; what it finished is kept",
        )

    def load(self, report: ReportDamage) -> pa.Table:
        """The rows that are there; a damaged file is set aside as `.corrupt`, and reported."""
        if not self.path.is_file():
            return self._schema.empty_table()
        try:
            return self._read()
        except StorageError as reason:
            with storage_errors(self.path):
                self.path.replace(self.path.with_suffix(".corrupt"))
            report(self.path, reason)
            return self._schema.empty_table()

    def _read(self) -> pa.Table:
        rows = read_checked(self.path, "results")
        stamp = (rows.schema.metadata or {}).get(_IDENTITY)
        if stamp != self._identity or rows.schema.names != self._schema.names:
            raise StorageError(f"{self.path} holds something else")
        return rows.cast(self._schema)

    def put_first(self) -> None:
        """Makes it the newest: what was asked for last is what is shown, also if nothing was missing."""
        if self.path.is_file():
            with storage_errors(self.path):
                self.path.touch()

    def write(self, rows: pa.Table) -> None:
        """Replaces what is there by `rows`, sorted by image id.

        Raises:
            StorageError: the disk does not take them; what was there is kept.
        """
        write_atomically(self.path, to_bytes(rows.cast(self._schema).sort_by("image_id").combine_chunks()))
