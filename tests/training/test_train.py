"""A training learns, goes on after a kill to the same weights, and says what it cannot do."""

from __future__ import annotations

import csv
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from typer.testing import CliRunner

from repro.architecture import Architecture
from repro.commands import app
from repro.datasets.training_images import open_training_images
from repro.evaluation.preprocess import normalise
from repro.exceptions import Busy, DataRefused, StorageError, UsageError
from repro.metaformer import MetaFormer
from repro.training.checkpoints import TrainingFolder
from repro.training.loading import Loading
from repro.training.processes import Processes
from repro.training.train import train
from tests.training.toys import Quiet, paint_classes, toy, write_recipe


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """As many as the processes started here have: more add up in another order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return paint_classes(tmp_path_factory.mktemp("colours"))


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that was never stopped."""
    folder = tmp_path_factory.mktemp("whole")
    train(toy(data), folder, Quiet())
    return folder


def same_weights(one: Path, other: Path) -> bool:
    first, second = (load_file(folder / "model.safetensors") for folder in (one, other))
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_it_learns(data: Path, tmp_path: Path) -> None:
    settings = [
        "schedule.epochs=8",
        "augmentation.mixup=0",
        "augmentation.cutmix=0",
        "optimisation.ema_decay=0",
    ]
    record = train(toy(data, *settings), tmp_path, Quiet())
    assert record["top1"] > 0.6  # of three colours
    assert record["n_held_out"] == 15
    assert record["top5"] is None  # of three classes
    rows = list(csv.DictReader((tmp_path / "log.csv").read_text().splitlines()))
    assert [row["epoch"] for row in rows] == [str(epoch) for epoch in range(1, 9)]
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"])


def test_the_weights_are_what_was_evaluated(whole: Path, data: Path) -> None:
    with safe_open(whole / "model.safetensors", framework="pt") as file:
        told = json.loads(file.metadata()["architecture"])
    network = MetaFormer(Architecture(**{k: tuple(v) if isinstance(v, list) else v for k, v in told.items()}))
    network.load_state_dict(load_file(whole / "model.safetensors"))
    network.eval()
    training = toy(data)
    right = n = 0
    with torch.inference_mode():
        for images, labels in Loading(training.recipe, 0, 0, Processes()).held_out(training.held_out):
            right += int((network(normalise(images, training.recipe.protocol)).argmax(dim=1) == labels).sum())
            n += len(labels)
    assert right / n == json.loads((whole / "training.json").read_text())["top1"]


@pytest.mark.parametrize("n_updates", [1, 5, 6, 14])
def test_a_stop_anywhere_ends_with_the_same_weights(
    n_updates: int, data: Path, whole: Path, tmp_path: Path
) -> None:
    """In the first epoch, at an end of one, in the middle, and in the last."""
    with pytest.raises(KeyboardInterrupt):
        train(toy(data), tmp_path, Quiet(n_updates))
    assert not (tmp_path / "model.safetensors").exists()
    train(toy(data), tmp_path, Quiet())
    assert same_weights(tmp_path, whole)


def test_a_killed_process_ends_with_the_same_weights(data: Path, whole: Path, tmp_path: Path) -> None:
    """SIGKILL once an epoch is kept; then the same command, with loader processes this time."""
    out = tmp_path / "out"
    command = [sys.executable, "-m", "repro", "train", str(write_recipe(data)), "--data", str(data)]
    command += ["--out", str(out), "--device", "cpu", "--threads", "1", "--workers"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen([*command, "0"], env=environment, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 100
        while not list(out.glob("checkpoints/000[123]-*")) and time.monotonic() < deadline:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    assert list(out.glob("checkpoints/000[123]-*"))
    assert not (out / "training.json").exists()
    ended = subprocess.run([*command, "1"], env=environment, capture_output=True, text=True, check=True)
    assert "epoch 4 of 4" in ended.stderr
    assert "epoch 1 of 4" not in ended.stderr
    assert same_weights(out, whole)


def test_another_seed_gives_other_weights(data: Path, whole: Path, tmp_path: Path) -> None:
    train(toy(data, seed=1), tmp_path, Quiet())
    assert not same_weights(tmp_path, whole)


def test_a_training_that_is_done_is_not_repeated(data: Path, whole: Path) -> None:
    before = (whole / "model.safetensors").stat().st_mtime_ns
    train(toy(data), whole, Quiet(1))
    assert (whole / "model.safetensors").stat().st_mtime_ns == before
    assert not list(whole.glob("checkpoints/*"))


def test_a_changed_record_or_other_weights_are_refused(data: Path, whole: Path, tmp_path: Path) -> None:
    """Also one digit of it; a record of an earlier version has no seal, and counts as it stands."""
    out, identity = shutil.copytree(whole, tmp_path / "out"), toy(data).identity
    kept = TrainingFolder(out, identity)
    text = kept.record_path.read_text()
    record = kept.record()
    assert record is not None
    assert kept.finished_weights() == kept.weights_path
    kept.record_path.write_text(text.replace('"seed": 0', '"seed": 9'))
    with pytest.raises(StorageError, match=r"training\.json is damaged"):
        train(toy(data), out, Quiet())
    kept.record_path.write_text(json.dumps(record))
    assert train(toy(data), out, Quiet()) == record
    kept.weights_path.write_bytes(kept.weights_path.read_bytes() + b"\0")
    with pytest.raises(StorageError, match=r"model\.safetensors is damaged"):
        kept.finished_weights()


def test_another_recipe_is_refused_in_the_same_folder(data: Path, whole: Path, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="holds another training"):
        train(toy(data, "optimisation.learning_rate=1e-3"), whole, Quiet())
    with pytest.raises(KeyboardInterrupt):
        train(toy(data), tmp_path, Quiet(6))
    with pytest.raises(StorageError, match="holds another training"):
        train(toy(data, seed=3), tmp_path, Quiet())


def test_a_damaged_checkpoint_is_set_aside(data: Path, whole: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(toy(data), tmp_path, Quiet(6))
    (path,) = tmp_path.glob("checkpoints/*.safetensors")
    damaged = bytearray(path.read_bytes())
    damaged[-100] ^= 1
    path.write_bytes(damaged)
    train(toy(data), tmp_path, Quiet())
    assert list(tmp_path.glob("checkpoints/*.corrupt"))
    assert same_weights(tmp_path, whole)


def test_one_process_at_a_time(data: Path, tmp_path: Path) -> None:
    training = toy(data)
    with TrainingFolder(tmp_path, training.identity).locked(), pytest.raises(Busy, match="trains in"):
        train(training, tmp_path, Quiet())


def test_a_loss_that_is_not_finite_ends_it(data: Path, tmp_path: Path) -> None:
    settings = ["optimisation.learning_rate=1e30", "network.norm='none'", "schedule.warmup_epochs=0"]
    record = train(toy(data, *settings), tmp_path, Quiet())
    assert record["diverged"]
    assert record["top1"] == 0
    assert len(record["log"]) < 4
    assert "NaN" not in (tmp_path / "training.json").read_text()


class Events:
    """In TensorBoard's place, which need not be installed."""

    closed = False

    def close(self) -> None:
        self.closed = True


def test_the_log_is_closed_after_a_stop_too(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A study trains many times in one process, and TensorBoard's writer has a thread of its own."""
    events = Events()
    monkeypatch.setattr("repro.training.log._open_events", lambda _folder: events)
    with pytest.raises(KeyboardInterrupt):
        train(toy(data), tmp_path, Quiet(1))
    assert events.closed


def test_two_processes_train_as_one(data: Path, tmp_path: Path) -> None:
    """Over gloo: each has half of a batch, and both end with the weights that rank 0 keeps.

    With what draws at random in a batch left out, the mean over both is that of one process.
    """
    settings = [
        "network.norm='layer'",
        "network.drop_path=0",
        "augmentation.random_erasing=0",
        "augmentation.mixup=0",
        "augmentation.cutmix=0",
    ]
    settings += ["schedule.epochs=2", "optimisation.eps=1e-3"]  # else gradients of 0 are blown up by Adam
    options = [part for setting in settings for part in ("--set", setting)]
    together = tmp_path / "together"
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "0"]
    launch += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0", "-m", "repro", "train"]
    launch += [str(write_recipe(data)), "--data", str(data), "--out", str(together), *options]
    ended = subprocess.run(
        [*launch, "--device", "cpu", "--threads", "1", "--workers", "0"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    alone = tmp_path / "alone"
    train(toy(data, *settings), alone, Quiet())
    first, second = (load_file(folder / "model.safetensors") for folder in (together, alone))
    for name, tensor in first.items():
        assert torch.allclose(tensor, second[name], atol=2e-4), name
    assert json.loads((together / "training.json").read_text())["processes"] == 2
    assert json.loads((together / "training.json").read_text())["n_held_out"] == 15


def test_the_learning_rate_rises_in_a_line_and_falls_as_a_cosine(whole: Path) -> None:
    """From 1e-6 to 5e-3 in the first epoch, then to 1e-5; of five updates an epoch the last is logged."""
    rates = [row["learning_rate"] for row in json.loads((whole / "training.json").read_text())["log"]]
    assert rates[0] == pytest.approx(1e-6 + 4 / 5 * (5e-3 - 1e-6))
    for epoch in (1, 2, 3):
        fallen = (1 + math.cos(math.pi * (5 * epoch + 4) / 20)) / 2
        assert rates[epoch] == pytest.approx(1e-5 + (5e-3 - 1e-5) * fallen)


@pytest.mark.parametrize("workers", [0, 1])
def test_an_unreadable_image_is_told_in_one_line(data: Path, tmp_path: Path, workers: int) -> None:
    """Also where a loader process comes upon it, around whose error torch puts a traceback."""
    copied = shutil.copytree(data, tmp_path / "colours")
    victim = next((copied / "train").rglob("*.png"))
    victim.write_bytes(victim.read_bytes()[:20])
    training = toy(copied, workers=workers)
    with pytest.raises(DataRefused) as refused:
        list(Loading(training.recipe, 0, workers, Processes()).train(training.images, 0))
    assert re.match(r"image \d+ of .*colours/train cannot be trained on: ", str(refused.value))
    assert "\n" not in str(refused.value)


def test_a_damaged_shard_is_told(tmp_path: Path) -> None:
    for split in ("train", "validation"):
        (tmp_path / f"{split}-00000-of-00001.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataRefused, match=r"a Parquet file in .* is damaged"):
        open_training_images(tmp_path)


def test_what_does_not_go_together_is_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has 3 classes, the recipe's network 10"):
        train(toy(data, "network.n_classes=10"), tmp_path, Quiet())
    with pytest.raises(DataRefused, match="42 images; needs at least one batch"):
        train(toy(data, "optimisation.batch_size=64"), tmp_path, Quiet())
    with pytest.raises(UsageError, match="a batch of 8 has no 8 x 1 equal parts, of an even number"):
        train(toy(data, "optimisation.accumulate=8"), tmp_path, Quiet())
    assert not list(tmp_path.iterdir())


def test_the_command_says_where_the_weights_are(data: Path, tmp_path: Path) -> None:
    arguments = [str(write_recipe(data)), "--data", str(data), "--set", "schedule.epochs=2"]
    result = CliRunner().invoke(app, ["train", *arguments, "--runs", str(tmp_path), "--threads", "1"])
    assert result.exit_code == 0, result.stderr
    assert "toy, seed 0" in result.stdout
    assert "model.safetensors" in result.stdout
    assert "42 images of 3 classes, 15 held out" in result.stderr
    assert list(tmp_path.glob("trainings/toy-0-*/training.json"))
