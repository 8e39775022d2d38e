"""`repro doctor` and what it changes in `repro eval`: outcome, exit code, one clear line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from repro.catalogue.classes import load_classes
from repro.commands import app
from tests.datasets.building import jpeg, val_name, write_files
from tests.oracle import NAME, paint, paint_folders, save_weights
from tests.proof.label_orders import true_labels


def invoke(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert "Traceback" not in result.output
    return result


@pytest.fixture
def oracle(tmp_path: Path) -> list[str]:
    """`eval` of the network that reads painted classes, on the photographs that `doctor` examined."""
    weights = save_weights(tmp_path / "oracle.safetensors")
    runs, data = str(tmp_path / "runs"), str(tmp_path / "photos")
    models = ["--models", NAME, "--weights", f"{NAME}={weights}"]
    return ["eval", *models, "--runs", runs, "--data", data, "--workers", "0"]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return paint_folders(tmp_path / "photos", range(0, 40, 4))


@pytest.fixture
def flat(tmp_path: Path) -> tuple[Path, Path]:
    """120 images with ids of ImageNet val, and labels in the devkit's order."""
    numbers = range(1, 121)
    data = write_files(tmp_path / "flat", {val_name(n): jpeg(n) for n in numbers})
    devkit = [c.devkit_id - 1 for c in load_classes()]
    labels = tmp_path / "devkit.csv"
    labels.write_text("".join(f"{val_name(n)},{devkit[true_labels()[n - 1]]}\n" for n in numbers))
    return data, labels


def record_of(runs: Path) -> dict[str, dict[str, object]]:
    (path,) = runs.glob("*/run.json")
    return json.loads(path.read_text())


def test_sound_data_end_with_the_next_command(photos: Path, tmp_path: Path) -> None:
    result = invoke("doctor", photos, "--runs", tmp_path / "runs")
    assert result.exit_code == 0, result.output
    assert "all 10 images decoded whole" in result.stdout
    assert result.stderr.strip().splitlines()[-1] == (
        f"next: repro eval --models poolformer_s24,deit_s --data {photos} --runs {tmp_path / 'runs'}"
    )


def test_refused_data_exit_with_3_and_leave_no_manifest(photos: Path, tmp_path: Path) -> None:
    victim = sorted(photos.rglob("*.JPEG"))[3]
    victim.write_bytes(victim.read_bytes()[:-40])
    result = invoke("doctor", photos, "--runs", tmp_path / "runs")
    assert result.exit_code == 3
    assert victim.name in result.stdout
    assert f"error: {photos}: refused for its decoding\n" in result.stderr
    assert not (tmp_path / "runs").exists()


def test_a_wrong_order_is_refused_and_the_right_labels_proposed(
    flat: tuple[Path, Path], tmp_path: Path
) -> None:
    data, labels = flat
    result = invoke("doctor", data, "--labels", labels, "--runs", tmp_path / "runs", "--format", "csv")
    assert result.exit_code == 3, result.output
    assert "likely the devkit's own order of classes" in result.stdout
    given = [c.devkit_id - 1 for c in load_classes()][true_labels()[0]]
    proposed = f"label {given} ({load_classes()[given].name}) is class {true_labels()[0]}"
    assert proposed in result.stdout
    assert "refused for its labels" in result.stderr


def test_eval_refuses_a_wrong_order_before_any_model(flat: tuple[Path, Path], tmp_path: Path) -> None:
    data, labels = flat
    shutil.rmtree(data)
    write_files(data, {val_name(n): b"never read" for n in range(1, 121)})
    result = invoke(
        "eval", "--models", "deit_s", "--data", data, "--labels", labels, "--runs", tmp_path / "runs"
    )
    assert result.exit_code == 3, result.output
    error, hint = result.stderr.strip().splitlines()
    assert error.startswith("error: labels disagree with ReaL: ")
    assert "likely the devkit's own order of classes: label " in error
    assert hint == f"try:   repro doctor {data} --labels {labels}"
    assert not (tmp_path / "runs").exists()


def test_no_canary_lets_it_pass(flat: tuple[Path, Path], oracle: list[str]) -> None:
    """Images chosen because ReaL disagrees with their labels, say."""
    data, labels = flat
    result = invoke(*oracle, "--data", data, "--labels", labels, "--no-canary")
    assert result.exit_code == 0, result.output


def test_a_run_on_verified_images_says_so(photos: Path, oracle: list[str], tmp_path: Path) -> None:
    assert invoke("doctor", photos, "--runs", tmp_path / "runs").exit_code == 0
    assert invoke(*oracle).exit_code == 0
    (manifest,) = (tmp_path / "runs" / "manifests").iterdir()
    assert record_of(tmp_path / "runs")["dataset"]["verified"] == f"manifest {manifest.name}"


def test_a_run_on_images_nobody_vouches_for_says_so(photos: Path, oracle: list[str], tmp_path: Path) -> None:
    assert invoke(*oracle).exit_code == 0
    assert record_of(tmp_path / "runs")["dataset"]["verified"] == "not verified"


@pytest.mark.parametrize("limit", [[], ["--limit", "8"]])
def test_changed_images_make_a_run_invalid_until_they_are_mended(
    limit: list[str], photos: Path, oracle: list[str], tmp_path: Path
) -> None:
    assert invoke("doctor", photos, "--runs", tmp_path / "runs").exit_code == 0
    victims = sorted(photos.rglob("*.JPEG"))[:3]
    whole = [victim.read_bytes() for victim in victims]
    for victim, label in zip(victims, (0, 4, 8), strict=True):
        paint(label, 99).save(victim, quality=95)
    result = invoke(*oracle, *limit)
    assert result.exit_code == 4, result.output
    assert "changed since the manifest (" in result.stderr
    if not limit:
        names = ", ".join(victim.stem for victim in victims)
        assert f"INVALID: oracle: 3 images changed since the manifest ({names})" in result.stderr.replace(
            NAME, "oracle"
        )
    for victim, data in zip(victims, whole, strict=True):
        victim.write_bytes(data)
    assert invoke(*oracle, *limit).exit_code == 0


def test_the_same_image_under_two_ids_makes_a_run_invalid(photos: Path, oracle: list[str]) -> None:
    first = sorted(photos.rglob("*.JPEG"))[0]
    shutil.copy(first, first.with_name("again.JPEG"))
    result = invoke(*oracle)
    assert result.exit_code == 4, result.output
    assert f"duplicate content: {first.stem} = again" in result.stderr


def test_a_damaged_manifest_is_told_before_any_model_runs(
    photos: Path, oracle: list[str], tmp_path: Path
) -> None:
    assert invoke("doctor", photos, "--runs", tmp_path / "runs").exit_code == 0
    (manifest,) = (tmp_path / "runs" / "manifests").iterdir()
    manifest.write_bytes(manifest.read_bytes()[:-100])
    result = invoke(*oracle)
    assert result.exit_code == 74, result.output
    assert "manifest damaged" in result.stderr
    assert f"rm {manifest}" in result.stderr


def test_a_run_says_whether_a_manifest_vouches_for_its_images(
    oracle: list[str], photos: Path, tmp_path: Path
) -> None:
    assert "images not verified" in invoke(*oracle).stdout
    shutil.rmtree(tmp_path / "runs")
    assert invoke("doctor", photos, "--runs", tmp_path / "runs").exit_code == 0
    verified = invoke(*oracle)
    assert verified.exit_code == 0, verified.output
    assert "images not verified" not in verified.stdout
