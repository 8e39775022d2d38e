"""The checks of the store, with small budgets; and that each would see what it looks for."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import nullcontext, suppress
from pathlib import Path

import pytest

from repro.commands.progress import ProgressBar
from repro.evaluation.scoring import gather
from repro.exceptions import StorageError
from repro.results import atomic, store
from repro.results.predictions import SCHEMA, read_predictions
from repro.results.store import RunFolder
from tests.proof import histories, io_faults, kills, result_flips
from tests.proof.faulty_disk import FaultyDisk
from tests.proof.toy import Quiet, StopAfterFirstShard, Stopped, Toy, cut, evaluate_toys, folder_of

TOY = Toy()


def test_random_histories_keep_every_row() -> None:
    found = histories.check(60)
    assert found["violations"] == 0
    assert found["histories"] >= 60


def write_in_place(path: Path, data: bytes) -> None:
    with atomic.storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def trust_any_shard(folder: RunFolder, path: Path, _image_ids: object) -> object:
    return read_predictions(path).cast(SCHEMA)


@pytest.mark.parametrize(
    ("where", "name", "fault"),
    [
        (RunFolder, "_verified", trust_any_shard),
        (store, "sweep_temporaries", lambda folder: None),
    ],
    ids=["foreign shards taken", "nothing swept"],
)
def test_a_faulty_store_is_seen(
    monkeypatch: pytest.MonkeyPatch, where: object, name: str, fault: object
) -> None:
    for toy in histories.TOYS:
        histories.unbroken(toy)
    monkeypatch.setattr(where, name, fault)
    assert histories.check(400, shorten=False)["violations"] == 1


def test_a_failing_disk_costs_nothing() -> None:
    found = io_faults.check(every=9)
    assert found["runs"] > 100
    assert (found["lost"], found["doubled"], found["half_written"]) == (0, 0, 0)


def test_files_written_in_place_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "write_atomically", write_in_place)
    assert io_faults.check(every=9)["half_written"] > 0


def test_a_store_that_lets_the_disks_errors_through_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "storage_errors", nullcontext)
    monkeypatch.setattr(atomic, "storage_errors", nullcontext)
    with pytest.raises(AssertionError, match="failed and raised OSError"):
        io_faults.check()


def test_no_call_passes_by_the_faulty_disk(tmp_path: Path) -> None:
    """The kernel, asked through strace, saw exactly the calls that were intercepted."""
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    log = tmp_path / "log"
    tracing = ["strace", "-f", "-y", "-o", str(log), "-e", "trace=%file,%desc"]
    answer = subprocess.run(
        [*tracing, sys.executable, __file__, str(tmp_path / "runs")],
        capture_output=True,
        text=True,
        check=False,
    )
    if "ptrace" in answer.stderr:
        pytest.skip("processes cannot be traced here")
    assert answer.returncode == 0, answer.stderr
    seen = Counter(_name(line) for line in log.read_text().splitlines() if str(tmp_path / "runs") in line)
    made = Counter(answer.stdout.split())
    made["open"] += made.pop("scandir") + made.pop("listdir") - 1  # rmtree scans what it has opened
    assert {name: seen[name] for name in KERNEL_NAMES.values()} == {
        name: made[name] for name in KERNEL_NAMES.values()
    }


KERNEL_NAMES = {
    "openat": "open",
    "read": "read",
    "write": "write",
    "fsync": "fsync",
    "rename": "replace",
    "mkdir": "mkdir",
    "flock": "flock",
    "unlink": "unlink",
    "unlinkat": "unlink",
}


def _name(line: str) -> str:
    call = line.split(maxsplit=1)[1].partition("(")[0]
    return "rmdir" if "AT_REMOVEDIR" in line else KERNEL_NAMES.get(call, call)


def test_kills_cost_nothing() -> None:
    found = kills.kill_store(3)
    assert found == {"kills": 3, "lost": 0, "doubled": 0, "different_bytes": 0, "leftovers": 0}


def test_a_killed_evaluation_goes_on() -> None:
    found = kills.kill_evaluations(1, copies=1)
    assert found == {"kills": 1, "lost": 0, "doubled": 0, "different_bytes": 0, "leftovers": 0}


def test_no_flipped_bit_goes_unnoticed() -> None:
    assert result_flips.check(90) == {"flips": 90, "found": 90}


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A stopped run whose shard was cut short since."""
    with suppress(Stopped):
        evaluate_toys(tmp_path, [TOY], StopAfterFirstShard())
    (path,) = folder_of(tmp_path, TOY).path.glob("shards/*.parquet")
    path.write_bytes(path.read_bytes()[:-1])
    return path


def test_a_damaged_shard_is_told_and_scored_again(
    damaged: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (record,) = evaluate_toys(tmp_path, [TOY], ProgressBar())
    said = capsys.readouterr().err
    assert "results damaged" in said
    assert f"{damaged.name} is set aside as .corrupt, its images are scored again" in said
    assert record.status == "complete"
    assert not damaged.parent.exists()


def test_a_shard_damaged_before_the_end_makes_no_invalid_run(damaged: Path, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="set aside") as error:
        gather(folder_of(tmp_path, TOY), cut(TOY))
    assert error.value.hint == "the same command scores its images again"


def _evaluate_seen(root: Path) -> None:
    """The names of the calls of one evaluation, for the kernel's list to be laid beside."""
    with tempfile.TemporaryDirectory() as elsewhere:
        evaluate_toys(Path(elsewhere), [TOY], Quiet())  # imports what is imported on first use
    with FaultyDisk(root=root) as disk:
        evaluate_toys(root, [TOY], Quiet())
    sys.stdout.write(" ".join(disk.calls))


if __name__ == "__main__":
    _evaluate_seen(Path(sys.argv[1]))
