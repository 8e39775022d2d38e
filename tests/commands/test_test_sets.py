"""Other test sets as a user meets them: what is recognised and said, from `doctor` to `compare-table`."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from repro.catalogue.classes import load_classes
from repro.catalogue.test_sets import find_test_set
from repro.commands import app
from tests.datasets.building import val_name
from tests.oracle import NAME, paint, paint_folders, save_weights
from tests.proof.label_orders import true_labels

A = find_test_set("imagenet-a").classes


def invoke(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert "Traceback" not in result.output
    return result


@pytest.fixture
def oracle(tmp_path: Path) -> list[str]:
    """`eval` of the network that reads painted classes, by timm's protocol; `--data` is left to the test."""
    weights = save_weights(tmp_path / "oracle.safetensors")
    options = ["--runs", str(tmp_path / "runs"), "--workers", "0", "--protocol", "timm"]
    return ["eval", "--models", NAME, "--weights", f"{NAME}={weights}", *options]


def cells_of(tmp_path: Path) -> dict[str, dict[str, object]]:
    """What the table of test sets says of the oracle, by set."""
    result = invoke("compare-table", "--table", "test-sets", "--runs", tmp_path / "runs", "--format", "json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["rows"][-1]["test_sets"]


def test_a_part_of_imagenet_a(oracle: list[str], tmp_path: Path) -> None:
    data = paint_folders(tmp_path / "photos", A[::20])
    result = invoke(*oracle, "--data", data, "--test-set", "imagenet-a")
    assert result.exit_code == 0, result.output
    assert (
        f"{data}: imagenet-a, class folders, 10 images of 10 classes, arg-max over its 200" in result.stderr
    )
    assert "PARTIAL: 10 of 7,500 images, 10 of 200 classes; not comparable" in result.stderr
    assert "imagenet-a: arg-max over its 200 classes" in result.stdout
    assert "next: repro compare-table --table test-sets" in result.stderr
    (record,) = (tmp_path / "runs").glob("*/run.json")
    dataset = json.loads(record.read_text())["dataset"]
    assert (dataset["test_set"], tuple(dataset["classes"])) == ("imagenet-a", A)
    cell = cells_of(tmp_path)["imagenet-a"]
    assert (cell["verdict"], cell["n"], cell["n_expected"]) == ("NOT COMPARABLE", 10, 7500)
    assert cell["top1_pct"]["measured"] == 100.0


def test_exactly_its_classes_with_other_images_are_told_but_not_taken_for_it(
    oracle: list[str], tmp_path: Path
) -> None:
    data = paint_folders(tmp_path / "photos", A)
    result = invoke(*oracle, "--data", data)
    assert result.exit_code == 0, result.output
    assert "200 images of 200 classes, arg-max over all 1000" in result.stderr
    told = "its classes are the 200 of ImageNet-A, of 7,500 images; --test-set imagenet-a takes the arg-max"
    assert told in result.stderr


def test_the_whole_of_v2_whose_variant_nobody_says(oracle: list[str], tmp_path: Path) -> None:
    for label in range(1000):
        folder = tmp_path / "imagenetv2" / str(label)
        folder.mkdir(parents=True)
        for i in range(10):
            (folder / f"{label}-{i}.jpeg").touch()
    result = invoke(*oracle, "--data", tmp_path / "imagenetv2", "--limit", "1")
    assert "imagenet-v2, class folders, 1 images of 1 classes, arg-max over all 1000" in result.stderr
    assert result.exit_code == 4  # the images are empty files
    assert "three variants this is cannot be told from the folder's name" in result.stderr


def test_numbered_folders_that_are_no_v2_are_refused_in_one_line(oracle: list[str], tmp_path: Path) -> None:
    for label in (2, 10, 999):
        (tmp_path / "photos" / str(label)).mkdir(parents=True)
        paint(label).save(tmp_path / "photos" / str(label) / f"{label}.png")
    result = invoke(*oracle, "--data", tmp_path / "photos")
    assert result.exit_code == 3
    assert "3 folders named by numbers" in result.stderr
    assert "try:   --test-set imagenet-v2-matched-frequency" in result.stderr
    given = invoke(*oracle, "--data", tmp_path / "photos", "--test-set", "imagenet-v2-matched-frequency")
    assert given.exit_code == 0, given.output
    assert "100.000" in given.stdout  # as text, 10 would come before 2
    assert cells_of(tmp_path)["imagenet-v2-matched-frequency"]["verdict"] == "NOT COMPARABLE"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--test-set", "imagenet_a"], 2, "unknown test set 'imagenet_a'; did you mean imagenet-a?"),
        (["--test-set", "imagenet-real"], 2, "it labels those of imagenet-val anew"),
        (["--test-set", "imagenet-a"], 3, "not ImageNet-A: not of its 200 classes: n01440764 (tench)"),
    ],
)
def test_what_cannot_be_meant_is_told(
    arguments: list[str], code: int, words: str, oracle: list[str], tmp_path: Path
) -> None:
    data = paint_folders(tmp_path / "photos", [0, A[0]])
    for verb in (oracle, ["doctor", "--runs", str(tmp_path / "runs")]):
        where = ["--data", data] if verb is oracle else [data]
        result = invoke(*verb, *where, *arguments)
        assert result.exit_code == code, result.output
        assert words in result.stderr
    assert not (tmp_path / "runs").exists()


def test_the_doctor_knows_the_set_and_its_manifest_vouches_for_the_run(
    oracle: list[str], tmp_path: Path
) -> None:
    data = paint_folders(tmp_path / "photos", A[::20])
    first = sorted(data.rglob("*.JPEG"))[0]
    first.with_name("twice.JPEG").write_bytes(first.read_bytes())
    plain = invoke("doctor", data, "--runs", tmp_path / "runs")
    assert plain.exit_code == 3
    assert "refused for its content" in plain.stderr
    result = invoke("doctor", data, "--test-set", "imagenet-a", "--runs", tmp_path / "runs")
    assert result.exit_code == 0, result.output
    assert "duplicate content" in result.stdout
    assert "PARTIAL: 11 of 7,500 images, 10 of 200 classes" in result.stdout
    assert "order not checkable" in result.stdout
    assert "--test-set imagenet-a --runs" in result.stderr
    assert invoke(*oracle, "--data", data, "--test-set", "imagenet-a").exit_code == 0
    (record,) = (tmp_path / "runs").glob("*/run.json")
    assert json.loads(record.read_text())["dataset"]["verified"].startswith("manifest imagenet-a-")


def test_reals_labels_are_applied_to_runs_on_imagenet_val(oracle: list[str], tmp_path: Path) -> None:
    """120 images painted as their own class: right by ReaL where that is among an image's labels."""
    labels = true_labels()[:120]
    for number, label in enumerate(labels, 1):
        folder = tmp_path / "val" / load_classes()[label].wnid
        folder.mkdir(parents=True, exist_ok=True)
        paint(int(label), 40 + number % 7).save(folder / val_name(number), "PNG")
    result = invoke(*oracle, "--data", tmp_path / "val", "--no-canary")
    assert result.exit_code == 0, result.output
    spec = find_spec("timm")
    assert spec is not None and spec.origin is not None
    real = json.loads((Path(spec.origin).parent / "data/_info/imagenet_real_labels.json").read_text())[:120]
    n = sum(map(bool, real))
    right = sum(label in seen for label, seen in zip(labels, real, strict=True))
    cell = cells_of(tmp_path)["imagenet-real"]
    assert 0 < right < n < 120
    assert (cell["n"], cell["n_expected"], cell["verdict"]) == (n, 46_837, "NOT COMPARABLE")
    assert cell["top1_pct"]["measured"] == pytest.approx(100 * right / n)


@pytest.mark.parametrize("form", ["terminal", "markdown", "latex", "csv", "html"])
def test_every_form_holds_every_model_and_set(form: str, tmp_path: Path) -> None:
    result = invoke("compare-table", "--table", "test-sets", "--runs", tmp_path, "--format", form)
    assert result.exit_code == 0, result.output
    assert all(name in result.stdout for name in ("PoolFormer-S24", "Sketch", "29.209", "14.107"))
    assert f"--data IMAGENET --protocol timm --runs {tmp_path}" in result.stderr


def test_figures_on_other_test_sets_are_timms_alone(tmp_path: Path) -> None:
    result = invoke("compare-table", "--table", "test-sets", "--protocol", "authors", "--runs", tmp_path)
    assert result.exit_code == 2
    assert "published by timm alone" in result.stderr
