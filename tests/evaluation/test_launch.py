"""Real processes under torchrun and under `--join`: the bytes of one process, also after a SIGKILL."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from repro.commands import app
from repro.evaluation.launch import RANKS, SIZES, Launch, find_launch
from repro.evaluation.plan import Request
from tests.evaluation import test_exact_fast
from tests.evaluation.test_crop_cache import Watcher as CacheWatcher
from tests.evaluation.test_evaluate import run
from tests.evaluation.test_exact_fast import TIED
from tests.hub import save_test_resnet
from tests.oracle import paint_folders

RESNET = "timm:test_resnet.r160_in1k"

SLOW = """
import time
from repro.commands import main
from repro.evaluation.image_pass import ImagePass

load = ImagePass.load

def slowly(*arguments, **options):
    for loaded in load(*arguments, **options):
        time.sleep({seconds})
        yield loaded

ImagePass.load = slowly
{first}
main()
"""
"""`repro`, with seconds for each batch, so that it can be killed midway."""

SHRINK = "import pytest; from tests.evaluation.test_launch import shrink; shrink(pytest.MonkeyPatch())"


def shrink(patch: pytest.MonkeyPatch) -> None:
    """32 images in a shard; two shards calibrate a bound that is so low that checks violate it."""
    patch.setattr("repro.evaluation.shards.SHARD_IMAGES", 32)
    patch.setattr("repro.evaluation.low_precision.CALIBRATION_IMAGES", 64)
    patch.setattr("repro.evaluation.low_precision.FACTOR", 0.2)
    patch.setattr("repro.evaluation.low_precision.CHECKED_OF", 8)
    patch.setattr("repro.evaluation.crop_reader.SETTLED_SECONDS", 0)


@pytest.fixture(autouse=True)
def _not_launched(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*RANKS, *SIZES, "TORCHELASTIC_RUN_ID"):
        monkeypatch.delenv(name, raising=False)


def write_slow(path: Path, seconds: float, first: str = "") -> str:
    """`repro`, slow, as a script that does something first."""
    path.write_text(SLOW.format(seconds=seconds, first=first))
    return str(path)


def begin(*command: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", **environment},
    )


def end(*processes: subprocess.Popen[str]) -> list[tuple[str, str]]:
    answers = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), answers
    return answers


def wait_for(condition: Callable[[], bool], *processes: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline
        assert all(process.poll() is None for process in processes), [p.communicate() for p in processes]
        time.sleep(0.01)


def n_kept(runs: Path) -> int:
    return len(list(runs.glob("*/shards/*.parquet")))


def the_bytes(runs: Path) -> bytes:
    (path,) = runs.glob("*/predictions.parquet")
    files = {".lock", "predictions.parquet", "run.json"}
    assert {file.name for file in path.parent.iterdir()} <= files
    return path.read_bytes()


def children_of(pid: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(path.parent.name))
    return found


def test_torchrun_gives_the_bytes_of_one_process_though_a_rank_is_killed(tmp_path: Path) -> None:
    save_test_resnet(tmp_path / "w.safetensors")
    data = paint_folders(tmp_path / "photos", range(0, 1000, 3))
    asked = Request(
        models=[RESNET],
        runs=tmp_path / "alone",
        data=data,
        weights={RESNET: tmp_path / "w.safetensors"},
        device="cpu",
        batch_size=129,  # three shards, of 129 images at most
        threads=1,
        workers=0,
    )
    run(asked)
    options = ["eval", "--models", RESNET, "--weights", f"{RESNET}={tmp_path / 'w.safetensors'}"]
    options += ["--data", str(data), "--runs", str(tmp_path / "several"), "--device", "cpu"]
    options += ["--batch-size", "129", "--threads", "1", "--workers", "0"]
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--max-restarts=1"]
    launched = begin(*torchrun, write_slow(tmp_path / "slow.py", 1.0), *options)
    wait_for(lambda: n_kept(tmp_path / "several") >= 1, launched)
    ranks = children_of(launched.pid)
    os.kill(ranks[0], signal.SIGKILL)
    wait_for(lambda: len(set(children_of(launched.pid)) - set(ranks)) == 2, launched)
    ((shown, told),) = end(launched)
    assert the_bytes(tmp_path / "several") == the_bytes(tmp_path / "alone")
    assert shown.count("test_resnet") == 1, shown  # one of the two speaks
    assert "resuming" in told


def test_exact_fast_and_the_crop_cache_are_shared_though_a_process_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = write_slow(tmp_path / "small.py", 0.2, SHRINK)
    weights = test_exact_fast.save_tied(tmp_path, spread=3.0, outliers=0.1)
    asked = Request(
        models=[TIED],
        runs=tmp_path / "alone",
        data=paint_folders(tmp_path / "photos", range(0, 960, 4)),
        weights={TIED: weights},
        device="cpu",
        threads=1,
        workers=0,
        precision="exact-fast",
    )
    options = ["eval", "--models", TIED, "--weights", f"{TIED}={weights}", "--data", str(asked.data)]
    options += ["--device", "cpu", "--threads", "1", "--workers", "1", "--precision", "exact-fast"]
    options += ["--runs", str(tmp_path / "several"), "--join", "tonight", "--prepare"]
    doomed, other = (begin(small, *options, RANK=rank, WORLD_SIZE="2") for rank in "10")
    wait_for(lambda: n_kept(tmp_path / "several") >= 4, doomed, other)
    doomed.kill()
    doomed.communicate()
    with monkeypatch.context() as patch:
        shrink(patch)
        low = run(asked).low_precision
    assert low is not None
    assert low.n_violated > 0  # all is redone by the one that is left
    assert low.n_low > 20
    end(other)
    assert the_bytes(tmp_path / "several") == the_bytes(tmp_path / "alone")

    crops = tmp_path / "several" / "crops"
    kept = Counter(
        i for path in crops.rglob("*.parquet") for i in pq.read_table(path)["image_id"].to_pylist()
    )
    assert len(kept) == 240
    assert sum(kept.values()) <= 240 + 32  # the shard that the killed one was at
    shrink(monkeypatch)
    warm = replace(asked, runs=tmp_path / "warm", crops=crops)
    assert run(warm, CacheWatcher()).n_cached == 240
    assert the_bytes(tmp_path / "warm") == the_bytes(tmp_path / "alone")


@pytest.mark.parametrize("option", [["--tune"], ["--precision", "auto"]])
def test_a_trial_is_refused_to_several_processes(option: list[str], tmp_path: Path) -> None:
    asked = ["eval", "--models", RESNET, "--runs", str(tmp_path), "--join", "tonight", *option]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 2
    assert " ".join(option) in result.stderr
    assert "--precision exact-fast, --batch-size and --threads" in result.stderr


def test_a_launch_is_known_by_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_launch() is None
    assert find_launch("tonight") == Launch("launch tonight")
    torchrun = {"RANK": "3", "WORLD_SIZE": "4", "MASTER_ADDR": "head", "MASTER_PORT": "29500"}
    for name, value in torchrun.items():
        monkeypatch.setenv(name, value)
    assert find_launch() is None
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    assert find_launch() == Launch("launch head:29500", 3, 4)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "job7")
    assert find_launch() == Launch("launch job7", 3, 4)


def test_slurm_and_kubernetes_number_their_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_PROCID", "2")
    monkeypatch.setenv("SLURM_NTASKS", "4")
    assert find_launch() is None  # any program that runs in a Slurm job has these
    assert find_launch("job8") == Launch("launch job8", 2, 4)
    monkeypatch.delenv("SLURM_PROCID")
    monkeypatch.delenv("SLURM_NTASKS")
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "1")
    assert find_launch("job9") == Launch("launch job9", 1, 1)
    assert not Launch("launch job9", 1, 1).speaks
