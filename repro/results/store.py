"""The folder of runs: shards while a run is under way, rows and record when it is whole.

    runs/
      poolformer_s24-imagenet-val-authors-1a2b3c4d/
        run.json               the record, written last
        predictions.parquet    the rows
        shards/00012-….parquet only while the run is under way; the name ends in its SHA-256
      complexity/              counted parameters and MACs

A run's name ends in its fingerprint: the digest of all that decides its bytes. What another
model, protocol, dataset or environment wrote can therefore never be taken for it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
from filelock import FileLock, Timeout

from repro.exceptions import Busy, StorageError, UsageError
from repro.results.atomic import storage_errors, write_atomically
from repro.results.predictions import SCHEMA, read_predictions, to_bytes
from repro.results.record import RunRecord

RUNS_VARIABLE = "REPRO_RUNS"


def runs_folder(option: Path | None = None) -> Path:
    """Where runs lie: the option, else `$REPRO_RUNS`, else `runs/` in the working directory."""
    return option or Path(os.environ.get(RUNS_VARIABLE) or "runs")


def name_run(model: str, dataset: str, protocol_name: str, fingerprint: str) -> str:
    """`poolformer_s24-imagenet-val-authors-1a2b3c4d`, safe as a folder's name."""
    parts = (model, dataset, protocol_name, fingerprint[:8])
    return "-".join(re.sub(r"[^A-Za-z0-9._-]+", "_", part)[:60] for part in parts)


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
        lock = FileLock(self.path / ".lock")
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
            lock.release()

    def record(self) -> RunRecord | None:
        """The record of the finished run, or None while there is none."""
        return read_record(self.record_path) if self.record_path.is_file() else None

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


def read_record(path: Path) -> RunRecord:
    """The record in `path`.

    Raises:
        StorageError: it is damaged, cannot be read, or was written by a newer version.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(f"{path} cannot be read ({error})") from error
    return RunRecord.from_json(text, path)


def list_runs(folder: Path) -> list[RunRecord]:
    """The finished runs in `folder`, oldest first."""
    return sorted((read_record(path) for path in folder.glob("*/run.json")), key=lambda run: run.started)


def find_run(folder: Path, text: str) -> Path:
    """The folder of the run called `text`: an id, a unique beginning of one, or a path.

    Raises:
        UsageError: none, or several, are meant.
    """
    if (Path(text) / "run.json").is_file():
        return Path(text)
    matches = sorted(path.parent for path in folder.glob("*/run.json") if path.parent.name.startswith(text))
    exact = [path for path in matches if path.name == text]
    if len(exact or matches) == 1:
        return (exact or matches)[0]
    found = (
        f"{len(matches)} runs begin so: {', '.join(p.name for p in matches[:3])}"
        if matches
        else "there is none"
    )
    raise UsageError(f"no run is meant by {text!r} in {folder}: {found}", hint="repro runs")
