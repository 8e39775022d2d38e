"""What a training keeps, and says, where it ends at an awkward moment."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch

from repro.exceptions import StorageError, UsageError
from repro.training.checkpoints import TrainingFolder
from repro.training.learner import Learner
from repro.training.log import Log
from repro.training.train import train
from tests.training.toys import Quiet, paint_classes, toy


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return paint_classes(tmp_path_factory.mktemp("colours"))


def test_a_stop_in_the_log_leaves_no_epoch_out_of_it(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        write = Log.write

        def stopped(self: Log, rows: list[dict[str, object]]) -> None:
            if len(rows) == 4:
                raise KeyboardInterrupt
            write(self, rows)

        patched.setattr(Log, "write", stopped)
        with pytest.raises(KeyboardInterrupt):
            train(toy(data), tmp_path, Quiet())
    train(toy(data), tmp_path, Quiet())
    rows = list(csv.DictReader((tmp_path / "log.csv").read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]


def test_held_out_images_that_do_not_fit_are_told(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Learner, "evaluate", fails)
    with pytest.raises(UsageError, match="held-out images does not fit in memory") as told:
        train(toy(data), tmp_path, Quiet())
    assert told.value.hint == "--set optimisation.accumulate=4"


def test_a_checkpoint_that_cannot_be_read_is_told(data: Path, tmp_path: Path) -> None:
    kept = TrainingFolder(tmp_path, toy(data).identity)
    (tmp_path / "checkpoints" / "0001-0.safetensors").mkdir(parents=True)
    with pytest.raises(StorageError, match="0001-0"):
        kept.load()


def test_checkpoints_do_not_outlast_a_training_that_is_done(data: Path, tmp_path: Path) -> None:
    """As a kill between its record and their end leaves them."""
    train(toy(data), tmp_path, Quiet())
    left = tmp_path / "checkpoints" / "0004-0.safetensors"
    left.parent.mkdir(exist_ok=True)
    left.write_bytes(b"weights, averages, moments")
    train(toy(data), tmp_path, Quiet())
    assert not left.exists()
