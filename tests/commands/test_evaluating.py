"""`repro eval` as a user meets it: outcome, exit code, one clear line."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from repro.commands import app
from repro.commands.evaluate import tell_waiting
from repro.results.record import RunRecord
from tests.hub import LoopbackHub, save_test_resnet
from tests.oracle import NAME, paint, paint_folders, save_weights

REPRO = [sys.executable, "-m", "repro"]


@pytest.fixture
def oracle(tmp_path: Path) -> list[str]:
    """`eval` of the network that reads painted classes; `--data` is left to the test."""
    weights = save_weights(tmp_path / "oracle.safetensors")
    runs = str(tmp_path / "runs")
    return ["eval", "--models", NAME, "--weights", f"{NAME}={weights}", "--runs", runs, "--workers", "0"]


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def no_runs_in(folder: Path) -> bool:
    return not list(folder.glob("**/run.json"))


def test_the_accuracy_is_printed_and_the_next_command_named(oracle: list[str], tmp_path: Path) -> None:
    data = paint_folders(tmp_path / "photos", range(0, 40, 4))
    result = invoke(*oracle, "--data", data)
    assert result.exit_code == 0, result.output
    assert "100.000" in result.stdout
    assert "class folders, 10 images of 10 classes" in result.stderr
    assert "PARTIAL" in result.stderr
    assert "next: repro compare-table" in result.stderr


def test_a_balanced_sample_is_taken_and_said(oracle: list[str], tmp_path: Path) -> None:
    data = paint_folders(tmp_path / "photos", range(10), per_class=3)
    result = invoke(*oracle, "--data", data, "--limit", "10")
    assert result.exit_code == 0, result.output
    assert "10 images of 10 classes" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--models", "deit_s2"], 2, "unknown model 'deit_s2'; did you mean deit_s"),
        (["--models", "pvt_tiny"], 2, "pvt_tiny cannot be run: not in timm"),
        (["--models", "timm:resnet18"], 2, "names no checkpoint"),
        (["--models", ","], 2, "no model named"),
        (["--models", "lite0", "--data", "nowhere"], 2, "no such file or folder: nowhere"),
        (["--models", "lite0", "--protocol", "mine"], 2, "unknown protocol 'mine'; there are authors, timm"),
        (["--models", "lite0", "--device", "tpu"], 2, "device 'tpu' is not there; this machine has"),
        (["--models", "lite0", "--weights", "lite0"], 2, "not of the form NAME=PATH"),
        (["--models", "lite0", "--weights", "deit_s=x.safetensors"], 2, "not evaluated"),
        (["--models", "lite0", "--weights", "lite0=x.safetensors"], 3, "x.safetensors"),
        (["--models", "lite0", "--weights", "lite0=x.pth"], 3, "only safetensors are loaded"),
        (
            ["--models", "lite0", "--weights", "lite0=x.safetensors", "--weights", "lite0=y.safetensors"],
            2,
            "--weights names two files for efficientnet_lite0",
        ),
        (
            ["--models", "lite0", "--weights", "lite0=x.safetensors", "--weights", "LITE0=y.safetensors"],
            2,
            "--weights names two files for efficientnet_lite0",
        ),
        (["--models", "lite0", "--limit", "0"], 2, "greater than or equal to 1"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_meant_is_told_in_one_line(
    arguments: list[str], code: int, words: str, tmp_path: Path
) -> None:
    result = invoke("eval", "--runs", tmp_path / "runs", *arguments)
    assert result.exit_code == code, result.output
    assert words in result.stderr
    assert "Traceback" not in result.output
    assert not (tmp_path / "runs").exists()


def make_empty(root: Path) -> None:
    root.mkdir()


def make_wrong_names(root: Path) -> None:
    for name in ("cats", "dogs"):
        (root / name).mkdir(parents=True)
        paint(3).save(root / name / "a.JPEG")


def make_flat(root: Path) -> None:
    root.mkdir()
    for i in range(1, 4):
        paint(i).save(root / f"ILSVRC2012_val_{i:08d}.JPEG")


@pytest.mark.parametrize(
    ("make", "words"),
    [(make_empty, "holds nothing"), (make_wrong_names, "cats"), (make_flat, "flat folder: labels needed")],
)
def test_data_that_cannot_be_trusted_is_refused(
    make: object, words: str, oracle: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(make)
    make(tmp_path / "photos")
    if make is make_flat:  # as on a machine without the package of labels
        monkeypatch.setattr("repro.datasets.labels.package_folder", lambda name: None)
    result = invoke(*oracle, "--data", tmp_path / "photos")
    assert result.exit_code == 3, result.output
    assert words in result.stderr
    assert no_runs_in(tmp_path)


def test_an_unreadable_image_is_named_and_no_percentage_is_shown(oracle: list[str], tmp_path: Path) -> None:
    data = paint_folders(tmp_path / "photos", range(0, 40, 4))
    victim = sorted(data.rglob("*.JPEG"))[3]
    victim.write_bytes(victim.read_bytes()[:-40])
    result = invoke(*oracle, "--data", data)
    assert result.exit_code == 4
    assert "INVALID" in result.stderr
    assert victim.stem in result.stderr
    assert "%" not in result.stdout.replace("(%)", "").replace("95%", "")
    assert "100.0" not in result.stdout

    accepted = invoke(*oracle, "--data", data, "--allow-unreadable")
    assert accepted.exit_code == 0, accepted.output
    assert "1 of 10 images unreadable; counted as wrong, Top-1 is 90.000 %" in accepted.stdout


def test_a_path_with_an_equals_sign_is_a_path(tmp_path: Path) -> None:
    (tmp_path / "lr=0.1").mkdir()
    weights = save_weights(tmp_path / "lr=0.1" / "oracle.safetensors")
    data, runs = paint_folders(tmp_path / "photos", range(0, 40, 4)), tmp_path / "runs"
    options = ("--data", data, "--runs", runs, "--workers", "0")
    result = invoke("eval", "--models", NAME, "--weights", weights, *options)
    assert result.exit_code == 0, result.output


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    weights = save_weights(tmp_path / "oracle.safetensors")
    result = invoke("eval", "--models", "lite0", "--weights", f"lite0={weights}", "--runs", tmp_path / "runs")
    assert result.exit_code == 3, result.output
    assert "not fit" in result.stderr.replace("\n", " ")
    assert no_runs_in(tmp_path)


def test_no_space_left_is_told_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    """A real limit on file sizes stands for the full disk: it hits the rows, the largest file."""

    def limit_files() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    runs = tmp_path / "runs"
    command = [*REPRO, "eval", "--models", "lite0", "--runs", str(runs), "--workers", "0"]
    # Counts are kept beforehand, so that the limit meets the rows.
    assert invoke("complexity", "lite0", "--runs", runs).exit_code == 0
    answer = subprocess.run(
        command,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},  # else compiled modules are cut, and kept
        capture_output=True,
        text=True,
        preexec_fn=limit_files,
        check=False,
    )
    assert answer.returncode == 74, answer.stderr
    assert "could not be written" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert no_runs_in(runs)
    assert not list(runs.rglob("*.tmp"))
    assert not list(runs.rglob("*.parquet"))


def test_ctrl_c_keeps_what_is_done_and_the_same_command_resumes(tmp_path: Path) -> None:
    """The interrupt goes to the whole process group, loader process included, as a terminal sends it."""
    data = paint_folders(tmp_path / "photos", range(8), per_class=60)
    command = [*REPRO, "eval", "--models", "lite0", "--data", str(data), "--runs", str(tmp_path / "runs")]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, start_new_session=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if (scored := re.match(r"(\d+) of 480 images", line)) and int(scored[1]) > 256:
                break  # the first shard is kept, and counted; many batches of the second are to come
        os.killpg(process.pid, signal.SIGINT)
        told = process.stderr.read()
        assert process.wait() == 130, told
    assert "stopped by user; 256 of 480 images kept; the same command resumes" in told
    assert "Traceback" not in told
    assert no_runs_in(tmp_path)
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert "resuming: 256 of 480 images done" in again.stderr


@pytest.fixture(scope="module")
def hub_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hub")
    save_test_resnet(folder / "timm/test_resnet.r160_in1k/model.safetensors")
    return folder


def test_weights_come_from_a_hub_and_then_from_the_cache(hub_folder: Path, tmp_path: Path) -> None:
    """Download, verification and evaluation against a real server; then offline, with no request at all."""
    model = "timm:test_resnet.r160_in1k"
    command = [*REPRO, "eval", "--models", model, "--workers", "0", "--runs"]
    with LoopbackHub(hub_folder) as hub:
        environment = hub.environment(tmp_path / "home")
        first = subprocess.run(
            [*command, str(tmp_path / "a")], env=environment, capture_output=True, text=True, check=False
        )
        assert first.returncode == 0, first.stderr
        assert hub.count("GET", "timm/test_resnet.r160_in1k") == 1
        asked = len(hub.requests)
        offline = environment | {"HF_HUB_OFFLINE": "1"}
        second = subprocess.run(
            [*command, str(tmp_path / "b")], env=offline, capture_output=True, text=True, check=False
        )
        assert second.returncode == 0, second.stderr
        assert len(hub.requests) == asked
        commit = hub.commit("timm/test_resnet.r160_in1k")
    records = [json.loads(next((tmp_path / name).glob("*/run.json")).read_text()) for name in "ab"]
    for record in records:
        assert record["model"]["weights"]["revision"] == commit
        assert record["model"]["weights"]["verified"] == "content hash of the hub, pinned on first use"
    assert records[0]["predictions_sha256"] == records[1]["predictions_sha256"]


def test_fetch_brings_weights_ahead_of_time(hub_folder: Path, tmp_path: Path) -> None:
    with LoopbackHub(hub_folder) as hub:
        fetched = subprocess.run(
            [*REPRO, "fetch", "timm:test_resnet.r160_in1k"],
            env=hub.environment(tmp_path),
            capture_output=True,
            text=True,
            check=False,
        )
    assert fetched.returncode == 0, fetched.stderr
    assert "timm/test_resnet.r160_in1k/model.safetensors, revision" in fetched.stdout


def test_the_paths_of_a_run_do_not_matter(oracle: list[str], tmp_path: Path) -> None:
    """What decides a run is what the images are, not where they lie."""
    data = paint_folders(tmp_path / "photos", range(5))
    assert invoke(*oracle, "--data", data).exit_code == 0
    shutil.move(data, tmp_path / "elsewhere" / "photos")
    again = invoke(*oracle, "--data", tmp_path / "elsewhere" / "photos")
    assert again.exit_code == 0
    assert len(list((tmp_path / "runs").glob("*/run.json"))) == 1


def test_long_waits_for_images_are_said_with_their_remedy(
    oracle: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    invoke(*oracle)
    (path,) = (tmp_path / "runs").glob("*/run.json")
    record = RunRecord.from_json(path.read_text(), path)
    for waited, seconds, said in ((30, 100, True), (30, 1000, False), (5, 10, False), (None, 100, False)):
        tell_waiting([replace(record, waited_seconds=waited, seconds=seconds)])
        assert ("waited 30 of 100 s for images; --prepare" in capsys.readouterr().err) is said
    tell_waiting([replace(record, waited_seconds=30, seconds=100)], prepared=True)
    assert "waited 30 of 100 s for images; more --workers" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--runs", "s3://bucket/runs"], "--runs is a folder of this machine, or one that is mounted here"),
        (["--cache", "gs://bucket/crops"], "--cache is a folder of this machine, or one that is mounted"),
        (["--ray-address", "auto"], "--ray-address is for --engine ray"),
    ],
)
def test_what_would_be_taken_for_something_else_is_refused(
    options: list[str], words: str, oracle: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = invoke(*oracle, *options)
    assert result.exit_code == 2
    assert words in result.stderr
    assert not {"s3:", "gs:"} & {path.name for path in tmp_path.iterdir()}
