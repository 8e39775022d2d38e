"""A sweep on disk, beside the run that it explains: the best class of every image under every variation.

    RUN/difference/1a2b3c4d/
      sweep.json          what was tried, how and where, written last
      top1.parquet        one row an image: image_id, sha256, label, and a column of classes a variation
      crop 0.9/shards/…   only while the sweep is under way

The column `stored` repeats the run's rows, `the run's own setting` is computed anew; null stands for
logits that are not finite.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from repro.exceptions import StorageError
from repro.results.atomic import write_atomically
from repro.results.predictions import read_checked, to_bytes
from repro.results.record import Numerics
from repro.results.sealed import seal, unseal

SCHEMA = 1

STORED = "stored"
OWN = "the run's own setting"

IMAGE_FIELDS = [
    pa.field("image_id", pa.string(), nullable=False),
    pa.field("sha256", pa.string(), nullable=False),
    pa.field("label", pa.int16(), nullable=False),
    pa.field(STORED, pa.int16(), nullable=False),
]


@dataclass(frozen=True, slots=True)
class SweepRecord:
    """What was tried: the `settings` by variation in the table's order, the `untried` with their reason.

    `n` images are of `n_run` that the run scored.
    """

    key: str
    run_id: str
    n: int
    n_run: int
    seed: int
    settings: Mapping[str, Mapping[str, Any]]
    untried: Mapping[str, str]
    numerics: Numerics
    environment: Mapping[str, str]
    code: Mapping[str, str | bool]
    started: str
    seconds: float
    rows_sha256: str = ""
    schema: int = SCHEMA

    @property
    def whole(self) -> bool:
        """Whether the variations were tried on all images of the run."""
        return self.n == self.n_run


@dataclass(frozen=True, slots=True)
class Sweep:
    """A finished sweep; `rows` as the module says."""

    record: SweepRecord
    rows: pa.Table


def sweep_path(run: Path, key: str) -> Path:
    """Where the sweep lies; `key` is the digest of all that was asked for."""
    return run / "difference" / key[:8]


def write_sweep(path: Path, sweep: Sweep) -> Sweep:
    """Writes the rows, then the record; returns the sweep as it is on disk.

    Raises:
        StorageError: the disk does not take it.
    """
    data = to_bytes(sweep.rows)
    record = dataclasses.replace(sweep.record, rows_sha256=hashlib.sha256(data).hexdigest())
    text = seal(dataclasses.asdict(record), sort=False)  # the variations stand in the table's order
    write_atomically(path / "top1.parquet", data)
    write_atomically(path / "sweep.json", text.encode())
    return Sweep(record, sweep.rows)


def read_sweep(path: Path, key: str) -> Sweep | None:
    """The finished sweep in `path`, or None while there is none.

    Raises:
        StorageError: it is damaged, or another one's.
    """
    file = path / "sweep.json"
    if not file.is_file():
        return None
    try:
        values = unseal(file.read_text(encoding="utf-8"))
        record = SweepRecord(**values | {"numerics": Numerics(**values["numerics"])})
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise StorageError(f"{file} is damaged ({error}); delete it to sweep again") from error
    if record.key != key or record.schema != SCHEMA:
        raise StorageError(f"{file} is another sweep's; delete it to sweep again")
    return Sweep(record, read_checked(path / "top1.parquet", "sweep", sha256=record.rows_sha256))
