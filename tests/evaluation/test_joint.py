"""Several processes on one run: the bytes of one process, whoever is killed, and no stranger let in."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest

from repro.evaluation.joint import JointScoring, SharedFolder
from repro.evaluation.launch import Launch
from repro.evaluation.scoring import Scorer
from repro.exceptions import Busy, StorageError
from repro.results.sharing import Leases
from repro.results.store import RunFolder
from repro.specs import Protocol
from tests.proof.toy import Quiet, Toy, cut, folder_of, load_batches_of, run_unbroken, score_batch

TOY = Toy(n_images=80, pause_seconds=0.02)
"""Twenty shards, of two batches each."""

PROCESS = """
import sys, time
from functools import partial
from pathlib import Path
from repro.evaluation.joint import JointScoring, SharedFolder
from repro.evaluation.launch import Launch
from repro.evaluation.scoring import Scorer
from tests.proof.toy import Quiet, Toy, load_batches_of, cut, finish_toy, folder_of, score_batch

root, name, rank, pause = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
toy = Toy(n_images=80, pause_seconds=pause)
folder = folder_of(root, toy)
n_scored = 0

def begin(loaded):
    global n_scored
    n_scored += 1
    return partial(score_batch, toy, loaded)

def load(shards):
    for shard in shards:
        yield from load_batches_of(toy, [shard])

if not folder.is_whole():
    before = folder.stamp()
    with folder.shared(name) as leases:
        shared = SharedFolder(folder, leases, before)
        JointScoring(Launch(name, rank, 2), [Scorer(folder, begin)], [shared], cut(toy), Quiet()).run(load)
        shared.finish_once(cut(toy), partial(finish_toy, toy, folder))
print(n_scored)
"""


def begin(root: Path, name: str, rank: int, pause: float = 0.02) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROCESS, str(root), name, str(rank), str(pause)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def batches_of(processes: Sequence[subprocess.Popen[str]]) -> list[int]:
    """How many batches each process scored, once it has ended."""
    answers = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), answers
    return [int(out) for out, _ in answers]


def wait_for_shards(folder: RunFolder, n: int) -> None:
    deadline = time.monotonic() + 60
    while len(folder.kept_shards()) < n:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return run_unbroken(tmp_path_factory.mktemp("alone"), TOY).predictions


def bytes_of(root: Path) -> bytes:
    folder = folder_of(root, TOY)
    assert folder.is_whole()
    assert {path.name for path in folder.path.iterdir()} <= {".lock", "predictions.parquet", "run.json"}
    return folder.predictions_path.read_bytes()


def test_two_processes_share_a_run(tmp_path: Path, alone: bytes) -> None:
    fast = begin(tmp_path, "launch a", 1, 0.05)
    wait_for_shards(folder_of(tmp_path, TOY), 1)
    n_slow, n_fast = batches_of([begin(tmp_path, "launch a", 0, 0.2), fast])
    assert n_slow + n_fast == 40  # nothing twice
    assert n_slow < n_fast
    assert bytes_of(tmp_path) == alone
    assert batches_of([begin(tmp_path, "launch a", 0)]) == [0]


def test_what_a_killed_process_had_begun_is_done_by_others(tmp_path: Path, alone: bytes) -> None:
    doomed, other = (begin(tmp_path, "launch a", rank, 0.1) for rank in (0, 1))
    wait_for_shards(folder_of(tmp_path, TOY), 4)
    os.kill(doomed.pid, signal.SIGKILL)
    doomed.communicate()
    (share,) = batches_of([other])
    assert 20 < share <= 40
    assert bytes_of(tmp_path) == alone


def test_all_killed_then_begun_again(tmp_path: Path, alone: bytes) -> None:
    """As torchrun does with --max-restarts: one dies, all are ended and begun again."""
    processes = [begin(tmp_path, "launch a", rank, 0.1) for rank in (0, 1)]
    wait_for_shards(folder_of(tmp_path, TOY), 4)
    for process in processes:
        process.kill()
        process.communicate()
    assert sum(batches_of([begin(tmp_path, "launch a", rank) for rank in (0, 1)])) <= 32
    assert bytes_of(tmp_path) == alone


def test_a_shard_is_waited_for_that_another_process_has_for_another_run(tmp_path: Path) -> None:
    """Two models, one shard: this process scores it for the first, another one for the second meanwhile."""
    toys = [Toy(n_images=4), Toy(n_images=4, protocol=Protocol(size_px=288, crop=0.9))]
    first, second = (folder_of(tmp_path, toy) for toy in toys)
    (shard,) = cut(toys[0])
    loaded = list(load_batches_of(toys[1], [shard]))
    rows = pa.Table.from_batches([score_batch(toys[1], batch) for batch in loaded])
    with first.shared("launch a") as leases, second.shared("launch a") as their_leases:
        other = Leases(second.path / "leases")
        assert other.take("00000")

        def score_elsewhere() -> None:
            wait_for_shards(first, 1)
            time.sleep(0.5)
            second.write_shard(0, rows)
            other.give_back("00000")

        elsewhere = threading.Thread(target=score_elsewhere)
        elsewhere.start()
        shared = [SharedFolder(first, leases, None), SharedFolder(second, their_leases, None)]
        scorers = [
            Scorer(folder, partial(partial, score_batch, toy))
            for toy, folder in zip(toys, (first, second), strict=True)
        ]
        joint = JointScoring(Launch("launch a", 0, 2), scorers, shared, [shard], Quiet())
        joint.run(lambda shards: load_batches_of(toys[0], list(shards)))
        assert first.kept_shards() == second.kept_shards() == {0}
        elsewhere.join()


def test_strangers_are_kept_out(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run", "f" * 64)
    with folder.shared("launch a"), folder.shared("launch a"):
        with pytest.raises(Busy, match="launch a"), folder.shared("launch b"):
            pass
        with pytest.raises(Busy, match="launch a"), folder.locked():
            pass
    with folder.locked(), pytest.raises(Busy, match=str(os.getpid())), folder.shared("launch a"):
        pass
    assert not folder.path.exists()


def test_a_file_system_without_locks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that loses them meanwhile keeps nothing from its end."""

    def refuse(_descriptor: int, _operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    folder = RunFolder(tmp_path / "run", "f" * 64)
    with folder.shared("launch a"):
        monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(StorageError, match=r"No locks available: .*/run/\.lock"), folder.shared("launch a"):
        pass


def test_who_fails_on_the_way_in_keeps_nobody_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("repro.results.sharing.ENTRY_SECONDS", 0.1)
    folder = RunFolder(tmp_path / "run", "f" * 64)
    (folder.path / ".owner").mkdir(parents=True)  # so that no name can be written there
    with pytest.raises(StorageError, match="Is a directory"), folder.shared("launch a"):
        pass
    (folder.path / ".owner").rmdir()
    with folder.shared("launch b"):
        pass


def test_a_lease_has_one_holder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, yours = Leases(tmp_path), Leases(tmp_path)
    assert mine.take("00000")
    assert not yours.take("00000")
    mine.give_back("00000")
    assert yours.take("00000")
    (tmp_path / "00000").write_text("elsewhere 1 0")
    assert not mine.take("00000")  # another machine's: no one can say whether it is dead
    monkeypatch.setattr("repro.results.sharing.LAPSE_SECONDS", 0)
    time.sleep(0.01)
    assert mine.take("00000")
