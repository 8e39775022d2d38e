"""Rows that grow beside a run: whole or not at all, and never taken for others."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from repro.exceptions import Busy, StorageError
from repro.results.atomic import replacing
from repro.results.kept import KeptRows

SCHEMA = pa.schema(
    [pa.field("image_id", pa.string(), nullable=False), pa.field("map", pa.list_(pa.float32()))]
)


def rows(*image_ids: str) -> pa.Table:
    return pa.Table.from_pylist([{"image_id": i, "map": [1.5, 0.0]} for i in image_ids], SCHEMA)


class Damages(list):
    def __call__(self, path: Path, reason: StorageError) -> None:
        self.append(path)


def test_what_is_written_is_read_sorted(tmp_path: Path) -> None:
    kept = KeptRows(tmp_path / "maps", "gradcam-stages.3", SCHEMA, "0123456789abcdef")
    reported = Damages()
    with kept.locked():
        assert kept.load(reported).num_rows == 0
        kept.write(rows("b", "a"))
    assert kept.path.name == "gradcam-stages.3-01234567.parquet"
    assert kept.load(reported).to_pylist() == rows("a", "b").to_pylist()
    assert not reported


def test_a_flipped_bit_is_found_or_harms_nothing(tmp_path: Path) -> None:
    kept = KeptRows(tmp_path, "x", SCHEMA, "0" * 64)
    kept.write(rows(*map(str, range(50))))
    whole, data = kept.load(Damages()).to_pylist(), kept.path.read_bytes()
    found = 0
    for place in range(0, len(data), max(len(data) // 60, 1)):
        kept.path.write_bytes(data[:place] + bytes([data[place] ^ 16]) + data[place + 1 :])
        reported = Damages()
        loaded = kept.load(reported)
        found += bool(reported)
        assert loaded.num_rows == 0 if reported else loaded.to_pylist() == whole, place
    assert found > 30


def test_rows_of_another_identity_are_set_aside(tmp_path: Path) -> None:
    """The file's name has its beginning only."""
    KeptRows(tmp_path, "x", SCHEMA, "01234567" + "a" * 56).write(rows("a"))
    other, reported = KeptRows(tmp_path, "x", SCHEMA, "01234567" + "b" * 56), Damages()
    assert other.load(reported).num_rows == 0
    assert reported == [other.path]
    assert other.path.with_suffix(".corrupt").exists()


def test_only_one_process_writes(tmp_path: Path) -> None:
    kept = KeptRows(tmp_path, "x", SCHEMA, "0" * 64)
    with kept.locked(), pytest.raises(Busy, match="another repro process writes"), kept.locked():
        pass
    with kept.locked():
        pass


def test_what_one_process_writes_another_does_not_sweep_away(tmp_path: Path) -> None:
    """Both write beside one run, each its own file; what a killed one left of ours goes."""
    ours, theirs = (KeptRows(tmp_path, name, SCHEMA, "0123456789abcdef") for name in ("gradcam", "hirescam"))
    left = tmp_path / f".{ours.path.stem}.0123.tmp"
    left.touch()
    with replacing(theirs.path) as file:
        with ours.locked():
            ours.write(rows("a"))
        file.write(b"whole")
    assert theirs.path.read_bytes() == b"whole"
    assert not left.exists()
