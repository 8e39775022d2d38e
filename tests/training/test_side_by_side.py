"""Trainings side by side end as one after another, and none outlives the command or is lost."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from repro.datasets.training_images import open_training_images
from repro.exceptions import DataRefused, ProcessLost
from repro.training.checkpoints import TrainingFolder
from repro.training.recipe_files import find_recipe
from repro.training.side_by_side import Job, Share, train_all
from repro.training.train import Training, train
from tests.processes import is_alive
from tests.training.toys import Quiet, paint_classes, write_recipe


@pytest.fixture(autouse=True)
def threads_as_they_were() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return paint_classes(tmp_path_factory.mktemp("colours"), n_train=8)


def jobs(data: Path, folder: Path, n: int, *settings: str) -> list[Job]:
    recipe = find_recipe(str(write_recipe(data)), settings)
    images, held_out = open_training_images(data)
    return [(Training(recipe, images, held_out, seed), folder / str(seed)) for seed in range(n)]


def wait_until_gone(pids: list[str]) -> None:
    deadline = time.monotonic() + 60
    while any(map(is_alive, pids)):
        assert time.monotonic() < deadline, f"still there: {pids}"
        time.sleep(0.02)


class Heard(Quiet):
    """What a watcher was told, in its order."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []

    def begin(self, epoch: int, n_epochs: int, n_images: int) -> None:
        self.told.append(f"epoch {epoch} of {n_epochs}: {n_images}")

    def trained(self, n_images: int) -> None:
        self.told.append(f"{n_images}")

    def finished(self, row: object) -> None:
        assert isinstance(row, dict)
        self.told.append(f"ended {row['epoch']}")


def test_two_at_once_end_as_one_after_another(data: Path, tmp_path: Path) -> None:
    apart = jobs(data, tmp_path / "apart", 3, "schedule.epochs=2")
    together = jobs(data, tmp_path / "together", 3, "schedule.epochs=2")
    heard: dict[str, list[Heard]] = {"apart": [], "together": []}

    def train_them(these: list[Job], at_once: int, name: str) -> dict[int, float]:
        def watch(_: int) -> Heard:
            heard[name].append(Heard())
            return heard[name][-1]

        *_, records = train_all(these, Share(at_once, 1), watch)
        assert list(records) == sorted(records)
        return {index: record["log"][-1]["loss"] for index, record in records.items()}

    before = train_them(apart[1:2], 1, "apart")
    assert train_them(apart, 1, "apart").keys() == {0, 1, 2}
    assert len(heard["apart"]) == 3, "the one that was done is found, not trained"
    losses = train_them(together, 2, "together")
    assert losses[1] == before[0]
    assert [one.told for one in heard["together"]] == [one.told for one in heard["apart"]]
    assert heard["together"][0].told[:4] == ["epoch 0 of 2: 24", "8", "8", "8"]
    for (_, one), (_, other) in zip(apart, together, strict=True):
        first, second = (load_file(folder / "model.safetensors") for folder in (one, other))
        assert all(first[name].equal(second[name]) for name in first)
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("trains_it", [True, False], ids=["trained there", "given up there"])
def test_what_another_process_has_is_waited_for(trains_it: bool, data: Path, tmp_path: Path) -> None:
    """As where the same command runs on another machine, which ends its training, or is killed."""
    these = jobs(data, tmp_path, 3, "schedule.epochs=1", "schedule.warmup_epochs=0")
    training, folder = these[0]
    told: list[int] = []

    class Other(Quiet):
        """The other process: it lets go once all else is trained."""

        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index

        def held(self) -> None:
            told.append(self.index)

    with ExitStack() as stack:
        stack.enter_context(TrainingFolder(folder, training.identity).locked())
        seen = []
        for records in train_all(these, Share(1, 1), Other):
            seen.append(list(records))
            if seen == [[1], [1, 2]]:
                stack.close()
                if trains_it:
                    train(training, folder, Quiet())
    assert told == [0]
    assert seen == [[1], [1, 2], [0, 1, 2]]


def test_an_error_of_one_ends_all(data: Path, tmp_path: Path) -> None:
    these = jobs(data, tmp_path, 1, "schedule.epochs=1000")
    these += jobs(data, tmp_path / "more", 1, "optimisation.batch_size=64")
    with pytest.raises(DataRefused, match="24 images; needs at least one batch"):
        list(train_all(these, Share(2, 1), lambda _: Quiet()))
    assert not multiprocessing.active_children()


def test_a_process_that_is_killed_is_told_and_gone_on_from(data: Path, tmp_path: Path) -> None:
    class Killer(Quiet):
        def finished(self, row: object) -> None:
            for child in multiprocessing.active_children():
                os.kill(child.pid or 0, signal.SIGKILL)

    these = jobs(data, tmp_path, 2, "schedule.epochs=6")
    with pytest.raises(ProcessLost, match="was ended, perhaps for want of memory; whole epochs are kept"):
        list(train_all(these, Share(2, 1), lambda _: Killer()))
    assert list(tmp_path.glob("?/checkpoints/000?-*"))  # whichever the kill came after
    *_, records = train_all(these, Share(1, 1), lambda _: Quiet())
    assert records.keys() == {0, 1}


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["interrupted", "killed"])
def test_no_training_outlives_its_command(how: signal.Signals, data: Path, tmp_path: Path) -> None:
    """Ctrl-C reaches the whole group of processes, as from a terminal; SIGKILL the command alone."""
    command = [sys.executable, "-m", "repro", "study", "ablation", "--recipe", str(write_recipe(data))]
    command += ["--data", str(data), "--runs", str(tmp_path), "--epochs", "1000", "--at-once", "2"]
    command += ["--set", "network.norm=modified-layer"]
    command += ["--rows", "baseline,identity mapping,no norm", "--out", str(tmp_path / "reports")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stderr
        first = process.stderr.readline()
        assert "epoch 1 of 1000" in first
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert len(children) >= 2
        (os.killpg if how == signal.SIGINT else os.kill)(process.pid, how)
        told = process.stderr.read()
        ended = process.wait()
    wait_until_gone(children)
    assert "Traceback" not in told
    if how == signal.SIGINT:
        assert ended == 130
        assert "stopped by user; whole epochs are kept" in told


@pytest.mark.parametrize(
    ("device", "n_cores", "at_once", "threads", "share"),
    [
        ("cpu", 2, None, None, Share(2, 1)),
        ("cpu", 1, None, None, Share(1, 1)),
        ("cpu", 64, None, None, Share(8, 8)),
        ("cpu", 16, None, 4, Share(4, 4)),
        ("cpu", 2, None, 8, Share(1, 8)),
        ("cpu", 2, 1, None, Share(1, None)),
        ("cpu", 2, 4, None, Share(4, 1)),
        ("cuda", 16, None, None, Share(1, None)),
        ("cuda", 16, 3, 2, Share(3, 2)),
    ],
)
def test_a_machine_is_shared_out(
    device: str, n_cores: int, at_once: int | None, threads: int | None, share: Share
) -> None:
    assert Share.of(device, n_cores, at_once, threads) == share
