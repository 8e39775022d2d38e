"""One run on disk: shards while it is under way, rows and record when it is whole."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
from filelock import FileLock, Timeout

from repro.exceptions import Busy, StorageError
from repro.results.atomic import storage_errors, write_atomically
from repro.results.predictions import SCHEMA, read_predictions, to_bytes
from repro.results.record import RunRecord
from repro.results.runs import read_record


class RunFolder:
    """One run on disk, seen by the process that writes it."""

    def __init__(self, path: Path, fingerprint: str) -> None:
        self.path = path
        self.fingerprint = fingerprint
        self.predictions_path = path / "predictions.parquet"
        self.record_path = path / "run.json"
        self._shards = path / "shards"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the run for this process.

        Raises:
            Busy: another process has it.
        """
        with storage_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        lock_path = self.path / ".lock"
        lock = FileLock(lock_path)
        owner = self.path / ".owner"
        with storage_errors(self.path):
            try:
                lock.acquire(timeout=0)
            except Timeout:
                pid = owner.read_text() if owner.is_file() else "unknown"
                raise Busy(
                    f"another repro process (pid {pid}) writes {self.path}",
                    hint="wait for it, or stop it; what it finished is kept",
                ) from None
        try:
            write_atomically(owner, str(os.getpid()).encode())
            yield
        finally:
            owner.unlink(missing_ok=True)
            if [path.name for path in self.path.iterdir()] == [lock_path.name]:
                lock_path.unlink()
                self.path.rmdir()  # nothing came of it: no trace is left
            lock.release()

    def record(self) -> RunRecord | None:
        """The record of the finished run, or None while there is none."""
        return read_record(self.record_path) if self.record_path.is_file() else None

    def is_whole(self) -> bool:
        """Whether the run was finished, and every image of it scored."""
        record = self.record()
        return record is not None and record.status == "complete"

    def write_shard(self, index: int, rows: pa.Table) -> None:
        """Keeps `rows` as shard `index`: they bear the run's fingerprint, the file's name their hash."""
        metadata = {**(rows.schema.metadata or {}), "repro.fingerprint": self.fingerprint}
        data = to_bytes(rows.replace_schema_metadata(metadata))
        write_atomically(self._shards / f"{index:05d}-{hashlib.sha256(data).hexdigest()}.parquet", data)

    def read_shard(self, index: int, image_ids: Sequence[str]) -> pa.Table | None:
        """Shard `index`, or None where it must be computed (again).

        A shard that is damaged, bears another fingerprint or holds other images than `image_ids`,
        in that order, is set aside as `.corrupt`.
        """
        for path in self._shard_files(index):
            try:
                rows = read_predictions(path, sha256=path.stem.partition("-")[2])
                stamp = rows.schema.metadata.get(b"repro.fingerprint", b"").decode()
                if stamp != self.fingerprint or rows["image_id"].to_pylist() != list(image_ids):
                    raise StorageError(f"{path} belongs to another run")
                return rows.cast(SCHEMA)
            except StorageError:
                with storage_errors(path):
                    path.replace(path.with_suffix(".corrupt"))
        return None

    def drop_shard(self, index: int) -> None:
        """Forgets shard `index`, so that the next evaluation computes it again."""
        for path in self._shard_files(index):
            with storage_errors(path):
                path.unlink()

    def finish(self, rows: pa.Table, record: RunRecord) -> None:
        """Writes the rows, sorted by image id, then the record; a complete run's shards go last."""
        data = to_bytes(rows.sort_by("image_id").combine_chunks())
        sealed = dataclasses.replace(record, predictions_sha256=hashlib.sha256(data).hexdigest())
        write_atomically(self.predictions_path, data)
        write_atomically(self.record_path, sealed.to_json().encode())
        if record.status == "complete":
            shutil.rmtree(self._shards, ignore_errors=True)

    def _shard_files(self, index: int) -> list[Path]:
        return sorted(self._shards.glob(f"{index:05d}-*.parquet"))


def read_rows(folder: Path, record: RunRecord, columns: list[str] | None = None) -> pa.Table:
    """The rows of the finished run in `folder`, verified against its record.

    Raises:
        StorageError: they are damaged or missing.
    """
    return read_predictions(folder / "predictions.parquet", columns, record.predictions_sha256)
