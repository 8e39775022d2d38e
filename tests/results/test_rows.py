"""Rows are read as they were written, or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from repro.exceptions import StorageError
from repro.results.predictions import read_predictions, to_bytes
from repro.results.record import RunRecord
from repro.results.runs import read_record
from repro.results.store import RunFolder, read_rows
from repro.specs import digest
from tests.analysis.records import run_of
from tests.analysis.rows import rows_of

ROWS = rows_of([0, 1, 2, 0], labels=[3, 700, 5, 9])


def test_no_flipped_bit_gives_other_rows(tmp_path: Path) -> None:
    """Without our record too: whoever verifies the pages' checksums reads these rows or none."""
    path = tmp_path / "predictions.parquet"
    whole = to_bytes(ROWS)
    refused = 0
    pages = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    for position in range(4, pages, 2):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << position % 8
        path.write_bytes(damaged)
        try:
            assert read_predictions(path).equals(ROWS), f"bit flipped in byte {position}"
        except StorageError:
            refused += 1
    assert refused > pages / 4


def test_the_rows_of_a_run_are_those_its_record_vouches_for(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, "f" * 64)
    folder.finish(ROWS, run_of("deit_s", 2, n=4))
    record = read_record(folder.record_path)
    assert read_rows(tmp_path, record).equals(ROWS)
    assert read_rows(tmp_path, record, ["rank"]).column_names == ["rank"]
    # Whole and sound, but not the rows that were counted.
    folder.predictions_path.write_bytes(to_bytes(rows_of([0, 0, 0, 0], labels=[3, 700, 5, 9])))
    with pytest.raises(StorageError, match="its SHA-256 differs"):
        read_rows(tmp_path, record)


def test_a_record_from_before_there_were_test_sets_is_read() -> None:
    record = run_of("deit_s", 2, n=4)
    values = json.loads(record.to_json())
    for name in ("test_set", "classes"):
        del values["dataset"][name]
    del values["sha256"]
    values["sha256"] = digest(values)
    assert RunRecord.from_json(json.dumps(values), Path("run.json")) == record
