"""One run on disk: shards while it is under way, rows and record when it is whole."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path

import pyarrow as pa

from repro.exceptions import Busy, StorageError
from repro.results.atomic import storage_errors, sweep_temporaries, write_atomically
from repro.results.locks import take_lock
from repro.results.predictions import SCHEMA, read_predictions, to_bytes
from repro.results.record import RunRecord
from repro.results.runs import read_record
from repro.results.sharing import Leases, read_owner, shared_lock

ReportDamage = Callable[[Path, StorageError], None]
"""Is told which shard was set aside, and why."""


def _silently(_path: Path, _reason: StorageError) -> None:
    """Tells nobody."""


class RunFolder:
    """One run on disk, seen by the process that writes it.

    `schema` is that of its shards, which may have more columns than those that are kept in the end.
    """

    def __init__(self, path: Path, fingerprint: str, schema: pa.Schema = SCHEMA) -> None:
        self.path = path
        self.schema = schema
        self.fingerprint = fingerprint
        self.predictions_path = path / "predictions.parquet"
        self.record_path = path / "run.json"
        self._shards = path / "shards"
        self._lock_path = path / ".lock"
        self._owner_path = path / ".owner"
        self._leases_path = path / "leases"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the run for this process, and clears away what a killed one left half-written.

        Raises:
            Busy: another process has it.
        """
        lock = take_lock(self._lock_path, self._busy)
        try:
            for folder in (self.path, self._shards):
                sweep_temporaries(folder)
            write_atomically(self._owner_path, str(os.getpid()).encode())
            yield
        finally:
            try:
                self._leave()
            finally:
                with suppress(OSError):  # the lock ends with this process at the latest
                    lock.release()

    @contextmanager
    def shared(self, launch: str) -> Iterator[Leases]:
        """Holds the run together with the other processes of `launch`, and says who scores what.

        Raises:
            Busy: a process that is not one of them has it.
        """
        traces = self._clear_traces, self._leave_shared
        with shared_lock(self._lock_path, launch, self._owner_path, *traces, self._busy):
            leases = Leases(self._leases_path)
            try:
                yield leases
            finally:
                leases.give_all_back()

    def _clear_traces(self) -> None:
        """Removes what processes that shared the run left, when no other one is there."""
        self._clear_leases()
        for folder in (self.path, self._shards):
            sweep_temporaries(folder)

    def _leave_shared(self) -> None:
        with suppress(StorageError):  # the next one tries again
            self._clear_traces()
        self._leave()

    def stamp(self) -> tuple[int, int] | None:
        """What tells one record from the next, written by whomever; None while there is none."""
        try:
            found = self.record_path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns

    def kept_shards(self) -> set[int]:
        """The shards that are there, by the names of their files; `gather` verifies what they hold."""
        with storage_errors(self._shards):
            return {int(path.name.partition("-")[0]) for path in self._shards.glob("[0-9]*-*.parquet")}

    def _busy(self) -> Busy:
        owner = read_owner(self._owner_path)
        told = f"pid {owner}" if owner.isdigit() else owner or "unknown"
        return Busy(
            f"another repro process ({told}) writes {self.path}",
            hint="wait for it, or stop it; what it finished is kept",
        )

    def _leave(self) -> None:
        """Takes our name off the run; where nothing came of it, no trace is left."""
        with suppress(OSError):  # what could not be removed now is harmless, and overwritten by the next one
            self._owner_path.unlink(missing_ok=True)
            if [path.name for path in self.path.iterdir()] == [self._lock_path.name]:
                self._lock_path.unlink()
                self.path.rmdir()

    def tidy(self) -> None:
        """Removes what a process killed just after it finished the run left behind; best effort."""
        with suppress(Busy, StorageError, OSError):
            left = map(self.path.glob, ("shards", "leases", ".owner", ".*.tmp"))
            if any(chain.from_iterable(left)):
                with self.locked():
                    self._clear_shards()
                    self._clear_leases()

    def record(self) -> RunRecord | None:
        """The record of the finished run, or None while there is none.

        Raises:
            StorageError: it is damaged, or that of another run.
        """
        with storage_errors(self.record_path):
            if not self.record_path.is_file():
                return None
        record = read_record(self.record_path)
        if record.fingerprint != self.fingerprint:
            raise StorageError(
                f"{self.path} holds another run (fingerprint {record.fingerprint[:16]}…)",
                hint=f"move {self.path} away, then run the same command again",
            )
        return record

    def is_whole(self) -> bool:
        """Whether the run was finished, and every image of it scored."""
        record = self.record()
        return record is not None and record.status == "complete"

    def write_shard(self, index: int, rows: pa.Table) -> None:
        """Keeps `rows` as shard `index`: they bear the run's fingerprint, the file's name their hash.

        What was kept as this shard before goes once they are there; a kill in between leaves both.
        """
        metadata = {**(rows.schema.metadata or {}), "repro.fingerprint": self.fingerprint}
        data = to_bytes(rows.replace_schema_metadata(metadata))
        path = self._shards / f"{index:05d}-{hashlib.sha256(data).hexdigest()}.parquet"
        write_atomically(path, data)
        for other in self._shard_files(index):
            if other != path:
                with storage_errors(other):
                    other.unlink()

    def read_shard(
        self, index: int, image_ids: Sequence[str], report: ReportDamage = _silently
    ) -> pa.Table | None:
        """Shard `index`, or None where it must be computed (again).

        A shard that is damaged, bears another fingerprint or holds other images than `image_ids`,
        in that order, is set aside as `.corrupt`, and reported.
        """
        for path in self._shard_files(index):
            try:
                return self._verified(path, image_ids)
            except StorageError as reason:
                with storage_errors(path):
                    try:
                        path.replace(path.with_suffix(".corrupt"))
                    except FileNotFoundError:
                        continue  # another process of the launch set it aside
                report(path, reason)
        return None

    def _verified(self, path: Path, image_ids: Sequence[str]) -> pa.Table:
        rows = read_predictions(path, sha256=path.stem.partition("-")[2])
        stamp = rows.schema.metadata.get(b"repro.fingerprint", b"").decode(errors="replace")
        if stamp != self.fingerprint or rows["image_id"].to_pylist() != list(image_ids):
            raise StorageError(f"{path} belongs to another run")
        return rows.cast(self.schema)

    def drop_shard(self, index: int) -> None:
        """Forgets shard `index`, so that the next evaluation computes it again."""
        for path in self._shard_files(index):
            with storage_errors(path):
                path.unlink()

    def finish(self, rows: pa.Table, record: RunRecord) -> None:
        """Writes the rows, sorted by image id, then the record; a complete run's shards go last."""
        data = to_bytes(rows.select(SCHEMA.names).cast(SCHEMA).sort_by("image_id").combine_chunks())
        sealed = dataclasses.replace(record, predictions_sha256=hashlib.sha256(data).hexdigest())
        if record.status != "complete" and self.is_whole():
            return  # another process of the launch was faster, and left no shards to gather
        with storage_errors(self.record_path):  # an invalid run's record must never stand beside other rows
            self.record_path.unlink(missing_ok=True)
        write_atomically(self.predictions_path, data)
        write_atomically(self.record_path, sealed.to_json().encode())
        if record.status == "complete":
            self._clear_shards()

    def rewrite(self, record: RunRecord) -> None:
        """Replaces the record of a finished run, whose rows stay."""
        write_atomically(self.record_path, record.to_json().encode())

    def _clear_shards(self) -> None:
        """Best effort: a finished run does not need them, and the next evaluation tries again."""
        with suppress(OSError):  # rmtree lets a failing close through
            shutil.rmtree(self._shards, ignore_errors=True)

    def _clear_leases(self) -> None:
        with suppress(OSError):
            shutil.rmtree(self._leases_path, ignore_errors=True)

    def _shard_files(self, index: int) -> list[Path]:
        with storage_errors(self._shards):
            return sorted(self._shards.glob(f"{index:05d}-*.parquet"))


def read_rows(folder: Path, record: RunRecord, columns: list[str] | None = None) -> pa.Table:
    """The rows of the finished run in `folder`, verified against its record.

    Raises:
        StorageError: they are damaged or missing.
    """
    return read_predictions(folder / "predictions.parquet", columns, record.predictions_sha256)
