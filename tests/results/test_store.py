"""The folder of runs: what is kept survives, what is damaged or foreign is never taken for a run's own."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from repro.exceptions import Busy, StorageError, UsageError
from repro.results.atomic import replacing, sweep_temporaries, write_atomically
from repro.results.predictions import OK, SCHEMA, read_predictions, to_bytes
from repro.results.record import RunRecord, Summary
from repro.results.runs import find_run, name_run, runs_folder
from repro.results.store import RunFolder
from tests.analysis.records import run_of

IDS = [f"image_{i}" for i in range(40)]


def rows(ids: list[str] = IDS) -> pa.Table:
    values = {
        "path": "p",
        "sha256": "0" * 64,
        "label": 3,
        "status": OK,
        "precision": "fp32",
        "image_mode": "RGB",
    }
    values |= {"top5": [3, 1, 2, 4, 5], "p_top5": [0.5, 0.2, 0.1, 0.05, 0.01], "p_label": 0.5, "rank": 0}
    return pa.Table.from_pylist([{"image_id": i, **values} for i in ids], SCHEMA)


def record_of(folder: RunFolder) -> RunRecord:
    return replace(run_of("efficientnet_lite0", 40, n=40), fingerprint=folder.fingerprint)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "run", "f" * 64)


def test_a_shard_comes_back_as_it_was_written(folder: RunFolder) -> None:
    folder.write_shard(0, rows())
    assert folder.read_shard(0, IDS).equals(rows())


def test_a_shard_written_anew_replaces_what_was_kept(folder: RunFolder) -> None:
    """Whichever of their hashes, which are their files' names, comes first."""
    for rank in range(8):
        values = [{**row, "rank": rank} for row in rows().to_pylist()]
        folder.write_shard(0, pa.Table.from_pylist(values, SCHEMA))
        kept = folder.read_shard(0, IDS)
        assert kept is not None
        assert set(kept["rank"].to_pylist()) == {rank}


def test_a_shard_never_written_is_pending(folder: RunFolder) -> None:
    assert folder.read_shard(0, IDS) is None


def test_a_shard_of_other_images_is_set_aside(folder: RunFolder) -> None:
    folder.write_shard(0, rows())
    assert folder.read_shard(0, IDS[::-1]) is None
    (left,) = (folder.path / "shards").iterdir()
    assert left.suffix == ".corrupt"


def test_a_shard_of_another_fingerprint_is_set_aside(folder: RunFolder) -> None:
    folder.write_shard(0, rows())
    assert RunFolder(folder.path, "e" * 64).read_shard(0, IDS) is None


def test_no_flipped_bit_goes_unnoticed(folder: RunFolder) -> None:
    """One bit in every 7th byte of a shard, the footer included, which no page checksum covers."""
    folder.write_shard(0, rows())
    (path,) = (folder.path / "shards").iterdir()
    whole = path.read_bytes()
    for position in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << (position % 8)
        path.write_bytes(damaged)
        assert folder.read_shard(0, IDS) is None, f"bit flipped in byte {position}"


def test_page_checksums_are_written_and_verified(tmp_path: Path) -> None:
    """Who reads the rows without our record is protected by the pages' own checksums."""
    path = tmp_path / "predictions.parquet"
    data = bytearray(to_bytes(rows()))
    data[200] ^= 4
    path.write_bytes(data)
    with pytest.raises(StorageError, match="damaged"):
        read_predictions(path)


def test_rows_of_a_newer_schema_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "predictions.parquet"
    path.write_bytes(to_bytes(rows().replace_schema_metadata({"repro.schema": "99"})))
    with pytest.raises(StorageError, match="schema 99"):
        read_predictions(path)


def test_a_run_has_one_writer(folder: RunFolder) -> None:
    """The second one is another process, as in life: it is told who holds the run."""
    second = f"""
from pathlib import Path
from repro.results.store import RunFolder
with RunFolder(Path({str(folder.path)!r}), "f" * 64).locked(): pass
"""
    with folder.locked():
        answer = subprocess.run([sys.executable, "-c", second], capture_output=True, text=True, check=False)
    assert Busy.__name__ in answer.stderr
    assert str(os.getpid()) in answer.stderr
    assert subprocess.run([sys.executable, "-c", second], check=False).returncode == 0


def test_a_run_that_came_to_nothing_leaves_no_folder(folder: RunFolder) -> None:
    with folder.locked():
        assert folder.path.is_dir()
    assert not folder.path.exists()


def test_what_a_killed_process_left_half_written_is_swept(folder: RunFolder) -> None:
    folder.write_shard(0, rows())
    left = [folder.path / ".0123.tmp", folder.path / "shards" / ".4567.tmp"]
    for path in left:
        path.write_bytes(b"half")
    with folder.locked():
        assert not any(path.exists() for path in left)
    assert folder.read_shard(0, IDS) is not None


def test_shards_left_beside_a_finished_run_are_removed(folder: RunFolder) -> None:
    """By a process killed between the record and the end."""
    folder.finish(rows(), record_of(folder))
    folder.write_shard(0, rows())
    folder.tidy()
    assert {path.name for path in folder.path.iterdir()} == {"predictions.parquet", "run.json", ".lock"}


def test_a_finished_run_of_another_fingerprint_is_refused(folder: RunFolder) -> None:
    """A folder's name holds but the fingerprint's beginning, and folders can be renamed."""
    folder.finish(rows(), record_of(folder))
    assert folder.is_whole()
    with pytest.raises(StorageError, match="holds another run"):
        RunFolder(folder.path, "e" * 64).is_whole()


def test_an_old_record_never_stands_beside_new_rows(folder: RunFolder) -> None:
    folder.finish(rows(), replace(record_of(folder), summary=Summary(40, 39, 0, 0, "1 image unreadable")))
    folder.predictions_path.unlink()
    folder.predictions_path.mkdir()  # so that the new rows cannot be written
    with pytest.raises(StorageError):
        folder.finish(rows(), record_of(folder))
    assert folder.record() is None


def test_a_record_changed_by_hand_is_refused(folder: RunFolder) -> None:
    folder.finish(rows(), record_of(folder))
    text = folder.record_path.read_text()
    folder.record_path.write_text(text.replace('"seconds": 1.0', '"seconds": 1.5'))
    with pytest.raises(StorageError, match="its SHA-256 differs"):
        folder.record()


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    """A real limit on file sizes in a child process stands for the full disk."""
    path = tmp_path / "record"
    path.write_text("old")
    child = f"""
import resource, signal
from pathlib import Path
from repro.results.atomic import write_atomically
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
write_atomically(Path({str(path)!r}), bytes(5000))
"""
    answer = subprocess.run(
        [sys.executable, "-c", child],
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},  # else compiled modules are cut, and kept
        capture_output=True,
        text=True,
        check=False,
    )
    assert "StorageError: file too large" in answer.stderr
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["record"]


def test_a_long_name_of_many_bytes_is_written_and_swept(tmp_path: Path) -> None:
    """A name has 255 bytes at the most; a letter may take three, and none is cut through."""
    path = tmp_path / f"{80 * 'あ'}.csv"
    write_atomically(path, b"whole")
    assert path.read_bytes() == b"whole"
    with pytest.raises(ZeroDivisionError), replacing(path) as file:
        left = Path(str(file.name))
        kept = left.with_name(left.name.replace("あ.", "あ.0"))  # as a killed process leaves it
        kept.write_bytes(b"half")
        raise ZeroDivisionError
    assert kept.is_file()
    sweep_temporaries(tmp_path, path.stem)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("code", [errno.EINVAL, errno.EBADF, errno.ENOTSUP])
def test_a_file_system_that_cannot_flush_a_folder_takes_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """What a file holds has to reach the disk everywhere."""
    fsync = os.fsync

    def flush_files_only(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(code, os.strerror(code))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", flush_files_only)
    write_atomically(tmp_path / "a", b"whole")
    assert (tmp_path / "a").read_bytes() == b"whole"

    def flush_nothing(_descriptor: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", flush_nothing)
    with pytest.raises(StorageError, match=os.strerror(code)):
        write_atomically(tmp_path / "a", b"other")
    assert (tmp_path / "a").read_bytes() == b"whole"


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(StorageError, match="a-file could not be written"):
        write_atomically(file / "below" / "a-file", b"")


@pytest.mark.parametrize("text", ["abc", "abc-1", ""])
def test_a_run_is_found_only_by_a_unique_beginning(tmp_path: Path, text: str) -> None:
    for name in ("abc-1", "abc-12", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text("{}")
    if text == "abc-1":
        assert find_run(tmp_path, text) == tmp_path / "abc-1"
        assert find_run(tmp_path, str(tmp_path / "b")) == tmp_path / "b"
        assert find_run(tmp_path, "b") == tmp_path / "b"
    else:
        with pytest.raises(UsageError, match="runs begin so"):
            find_run(tmp_path, text)


def test_names_from_outside_make_safe_folders() -> None:
    assert (
        name_run("timm:a/../b", "my photos\n", "timm", "0123456789") == "timm_a_.._b-my_photos_-timm-01234567"
    )


def test_the_option_goes_before_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPRO_RUNS", "/elsewhere")
    assert runs_folder(Path("here")) == Path("here")
    assert runs_folder() == Path("/elsewhere")
    monkeypatch.delenv("REPRO_RUNS")
    assert runs_folder() == Path("runs")
