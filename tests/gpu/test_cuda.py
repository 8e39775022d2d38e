"""What only a GPU can show: decisions as on the CPU, whole runs, trainings. Skipped where there is none."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from repro.commands import app
from repro.evaluation.copying import on_device
from repro.evaluation.evaluate import evaluate
from repro.evaluation.loading import LoadedBatch
from repro.evaluation.plan import Request, plan_evaluation
from repro.evaluation.scoring import Unwatched
from repro.evaluation.shards import Batch, Shard
from repro.results.record import RunRecord
from repro.specs import Geometry
from repro.training.learner import Learner
from repro.training.loading import Loading
from repro.training.processes import Processes
from repro.training.train import Training, train
from tests.evaluation.test_evaluate import Watcher, rows_of, run
from tests.evaluation.test_exact_fast import TIED, save_tied
from tests.oracle import NAME, paint_folders, save_weights
from tests.proof.photographs import find_photographs
from tests.training.toys import Quiet, paint_classes, write_recipe

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")

LITE = "efficientnet_lite0"

Decisions = dict[str, tuple[int, bool]]
"""By image the class, and whether the label is among the first five."""

Evaluated = tuple[Path, RunRecord, Decisions]
"""A folder of runs, and the one in it."""


@pytest.fixture(scope="module")
def photographs() -> Path:
    folder = find_photographs()
    if folder is None:
        pytest.skip("the real photographs are not here")
    return folder


def ask(runs: Path, data: Path, **settings: object) -> Request:
    return replace(Request([LITE], runs, data, device="cuda"), **settings)  # type: ignore[arg-type]


def decisions(request: Request, record: RunRecord) -> Decisions:
    rows = rows_of(request, record)
    return {str(row["image_id"]): (row["top5"][0], row["rank"] < 5) for row in rows}  # type: ignore[index, operator]


def evaluated(request: Request) -> tuple[RunRecord, Decisions]:
    (record,) = evaluate(plan_evaluation(request), Unwatched())
    return record, decisions(request, record)


def kept_bytes(runs: Path) -> bytes:
    (path,) = runs.glob("*/predictions.parquet")
    return path.read_bytes()


@pytest.fixture(scope="module")
def in_fp32(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> Evaluated:
    runs = tmp_path_factory.mktemp("fp32")
    return (runs, *evaluated(ask(runs, photographs)))


def test_real_weights_decide_on_it_as_on_the_cpu(
    in_fp32: Evaluated, photographs: Path, tmp_path: Path
) -> None:
    _, record, decided = in_fp32
    assert record.known_numerics.device == "cuda"
    assert record.status == "complete"
    assert record.waited_seconds is not None
    assert 0 <= record.waited_seconds <= record.seconds
    on_cpu = run(ask(tmp_path, photographs, device="cpu", limit=200))
    there = decisions(ask(tmp_path, photographs), on_cpu)
    assert len(there) == 200
    assert {image_id: decided[image_id] for image_id in there} == there


@pytest.mark.parametrize("prepare", [False, True], ids=["decoded", "crops kept"])
def test_exact_fast_decides_as_fp32(
    prepare: bool,
    in_fp32: Evaluated,
    photographs: Path,
    tmp_path: Path,
) -> None:
    crops = tmp_path / "crops" if prepare else None
    record, fast = evaluated(ask(tmp_path / "runs", photographs, precision="exact-fast", crops=crops))
    assert fast == in_fp32[2]
    assert record.low_precision is not None
    assert record.low_precision.n_low > len(fast) / 3  # some hundreds are computed both ways in any case
    assert record.low_precision.n_violated == 0


def test_nearly_tied_logits_are_decided_as_in_fp32(tmp_path: Path) -> None:
    weights = {TIED: save_tied(tmp_path, spread=1.0)}
    data = paint_folders(tmp_path / "photos", range(0, 1000, 2))
    request = Request([TIED], tmp_path / "runs", data, weights=weights, device="cuda", workers=0)
    _, exact = evaluated(request)
    _, fast = evaluated(replace(request, precision="exact-fast"))
    assert fast == exact


def test_every_image_is_read_right(tmp_path: Path) -> None:
    """The painted images have one right answer each; loader processes and the copies one ahead lose none."""
    data = paint_folders(tmp_path / "photos", range(0, 1000, 3))
    weights = {NAME: save_weights(tmp_path / "oracle.safetensors")}
    request = Request(
        [NAME], tmp_path / "runs", data, weights=weights, device="cuda", batch_size=7, workers=2
    )
    record = run(request)
    assert record.summary.n_scored == 334
    assert record.summary.top1_correct == 334


def test_a_stopped_run_ends_with_the_same_bytes(photographs: Path, tmp_path: Path) -> None:
    whole, stopped = (ask(tmp_path / name, photographs, batch_size=64) for name in ("whole", "stopped"))
    run(whole)
    with pytest.raises(KeyboardInterrupt):
        run(stopped, Watcher(stop_after=300))
    run(stopped)
    assert kept_bytes(stopped.runs) == kept_bytes(whole.runs)


def test_two_processes_on_one_gpu_give_the_bytes_of_one(photographs: Path, tmp_path: Path) -> None:
    alone = ask(tmp_path / "alone", photographs, limit=300)
    run(alone)
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    command = ["-m", "repro", "eval", "--models", LITE, "--data", str(photographs), "--limit", "300"]
    ended = subprocess.run(
        [*launch, *command, "--runs", str(tmp_path / "together"), "--device", "cuda"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert kept_bytes(tmp_path / "together") == kept_bytes(alone.runs)


def test_copies_one_ahead_are_whole_and_in_order() -> None:
    geometry = Geometry(224, 0.875, "bicubic")
    stacks = [torch.randint(0, 256, (64, 3, 224, 224), dtype=torch.uint8) for _ in range(12)]

    def batches() -> Iterator[LoadedBatch]:
        for i, stack in enumerate(stacks):
            yield LoadedBatch(Batch(Shard(i, ()), (), last=True), {geometry: stack}, ())

    arrived = []
    for i, batch in enumerate(on_device(batches(), "cuda")):
        busy = torch.randn(2048, 2048, device="cuda")
        for _ in range(20):  # keeps the stream that scores behind the one that copies
            busy = busy @ busy / 2048
        assert batch.batch.shard.index == i
        assert batch.crops[geometry].device.type == "cuda"
        arrived.append(batch.crops[geometry].clone())  # behind what keeps the stream busy, and not waited for
    for crops, stack in zip(arrived, stacks, strict=True):
        assert torch.equal(crops.cpu(), stack)


def test_a_batch_that_does_not_fit_is_one_line(photographs: Path, tmp_path: Path) -> None:
    script = (
        "import sys, torch; torch.cuda.set_per_process_memory_fraction(0.01);"
        "from repro.commands import main; main()"
    )
    command = ["eval", "--models", LITE, "--data", str(photographs), "--runs", str(tmp_path)]
    ended = subprocess.run(
        [sys.executable, "-c", script, *command, "--device", "cuda", "--batch-size", "512"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2, ended.stderr
    assert "a batch of 512 images with efficientnet_lite0 does not fit in memory" in ended.stderr
    assert "try:   --batch-size 256" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_trial_chooses_on_it_and_is_kept(photographs: Path, tmp_path: Path) -> None:
    request = ask(tmp_path, photographs, limit=200, tune=True, precision="auto")
    evaluate(plan_evaluation(request), Unwatched())
    (chosen,) = (json.loads(path.read_text()) for path in tmp_path.glob("trials/*.json"))
    assert chosen["batch_size"] in (64, 128, 256)


def test_explanations_of_it_are_those_of_the_cpu(
    in_fp32: Evaluated, photographs: Path, tmp_path: Path
) -> None:
    pytest.importorskip("pytorch_grad_cam")
    from repro.explain.explain import explain
    from repro.explain.opened import open_run

    runs, record, _ = in_fp32
    maps = []
    for device in ("cpu", "cuda"):
        copied = tmp_path / device / record.run_id
        shutil.copytree(runs / record.run_id, copied)
        opened = open_run(copied, data=photographs, device=device, batch_size=4)
        rows = explain(opened, sorted(opened.rows)[:4], "gradcam", None, Watcher()).to_pylist()
        maps.append({(row["image_id"], row["target"]): torch.tensor(row["map"]) for row in rows})
    assert maps[0].keys() == maps[1].keys()
    for key, on_cpu in maps[0].items():
        assert torch.allclose(on_cpu, maps[1][key], atol=1e-3 * on_cpu.abs().max().item()), key


def test_the_cause_of_a_difference_is_looked_for_on_it(photographs: Path, tmp_path: Path) -> None:
    run(ask(tmp_path, photographs, limit=60))
    command = ["explain-difference", LITE, "--runs", str(tmp_path), "--device", "cuda", "--anyway"]
    result = CliRunner().invoke(app, [*command, "--limit", "40"])
    assert result.exit_code == 0, result.stderr
    assert "float16" in result.stdout


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return paint_classes(tmp_path_factory.mktemp("colours"))


def training(data: Path, *settings: str) -> Training:
    from repro.datasets.training_images import open_training_images
    from repro.training.recipe_files import find_recipe

    images, held_out = open_training_images(data)
    return Training(
        find_recipe(str(write_recipe(data)), settings), images, held_out, device="cuda", workers=2
    )


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_training_learns_on_it(precision: str, colours: Path, tmp_path: Path) -> None:
    settings = ["schedule.epochs=8", "augmentation.mixup=0", "augmentation.cutmix=0"]
    settings += ["optimisation.ema_decay=0", f"optimisation.precision='{precision}'"]
    record = train(training(colours, *settings), tmp_path, Quiet())
    assert record["device"] == "cuda"
    assert record["top1"] > 0.6


@pytest.mark.parametrize("norm", ["modified-layer", "layer", "batch", "none"])
def test_gradients_are_those_of_the_cpu(norm: str, colours: Path) -> None:
    """Layer norm leaves channels last, in which torch before 2.14 shifts the gradients of pooling."""
    settings = [f"network.norm='{norm}'", "network.layer_scale=1", "network.drop_path=0.0"]
    settings += [f"augmentation.{name}=0" for name in ("mixup", "cutmix", "random_erasing")]
    one = training(colours, *settings)
    images = next(Loading(one.recipe, 0, 0, Processes()).train(one.images, 0))
    on_cpu, on_gpu = (Learner(one.recipe, 0, device, Processes(), None) for device in ("cpu", "cuda"))
    for learner in (on_cpu, on_gpu):
        learner.update(iter([images] * one.recipe.optimisation.accumulate))
    for here, there in zip(on_cpu.network.parameters(), on_gpu.network.parameters(), strict=True):
        assert here.grad is not None and there.grad is not None
        torch.testing.assert_close(there.grad.cpu(), here.grad, rtol=1e-3, atol=1e-5)


def test_a_stopped_training_goes_on_on_it(colours: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(training(colours), tmp_path, Quiet(6))
    record = train(training(colours), tmp_path, Quiet())
    assert [row["epoch"] for row in record["log"]] == [1, 2, 3, 4]
    assert not record["diverged"]


def _launch_training(n: int, data: Path, out: Path) -> subprocess.CompletedProcess[str]:
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(n), "--standalone"]
    command = ["-m", "repro", "train", str(write_recipe(data)), "--data", str(data), "--out", str(out)]
    return subprocess.run(
        [*launch, *command, "--device", "cuda", "--workers", "0"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_processes_train_over_nccl(colours: Path, tmp_path: Path) -> None:
    """As many as there are GPUs; batches of 8 in two parts go to two or four. One alone joins nobody."""
    n = max(n for n in (1, 2, 4) if n <= torch.cuda.device_count())
    if n == 1:
        pytest.skip("one CUDA device here; NCCL wants two")
    ended = _launch_training(n, colours, tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert json.loads((tmp_path / "training.json").read_text())["processes"] == n


def test_more_processes_than_gpus_are_refused(colours: Path, tmp_path: Path) -> None:
    n = torch.cuda.device_count()
    ended = _launch_training(n + 1, colours, tmp_path)
    assert ended.returncode != 0
    assert f"torchrun began more processes than this machine has GPUs ({n})" in ended.stderr
