"""`repro compare` on published predictions of ImageNet val, held to independent computations."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from scipy.stats import binomtest
from typer.testing import CliRunner

from repro.commands import app
from repro.datasets.imagenet_x import find_annotations
from repro.results.runs import list_runs
from tests.conftest import import_published


def invoke(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_published_predictions_compare_as_a_plain_count_does(published_runs: Path, shared_data: Path) -> None:
    answer = json.loads(
        invoke("compare", "ResNet50", "ViT", "--format", "json", "--runs", str(published_runs))
    )
    truth, real = plain_truth()
    predicted = {name: plain_predictions(shared_data, name) for name in ("ResNet50", "ViT")}
    only_first, only_second = (
        sum(predicted[a][f] == c != predicted[b][f] for f, c in truth.items())
        for a, b in (("ResNet50", "ViT"), ("ViT", "ResNet50"))
    )
    (pair,) = answer["pairs"]
    assert (pair["only_first"], pair["only_second"], pair["n"]) == (only_first, only_second, 50_000)
    assert pair["p"] == pytest.approx(binomtest(only_first, only_first + only_second).pvalue)
    assert pair["difference"] == pytest.approx((38_065 - 39_003) / 50_000)
    assert pair["low"] < pair["difference"] < pair["high"] < 0
    for run, name in zip(answer["runs"], predicted, strict=True):
        correct = sum(predicted[name][f] in seen for f, seen in real.items() if seen)
        assert run["real"] == {"correct": correct, "n": 46_837, "n_without": 3_163}
        assert (run["top5"], run["log_loss"]) == (None, None)


def plain_truth() -> tuple[dict[str, int], dict[str, list[int]]]:
    folder = find_annotations()
    assert folder is not None
    with (folder / "filename_label.csv").open() as file:
        truth = {row["file_name"]: int(row["label"]) for row in csv.DictReader(file)}
    labels = json.loads((folder / "imagenet_real_labels.jsonl").read_text())
    return truth, {f"ILSVRC2012_val_{i:08d}.JPEG": seen for i, seen in enumerate(labels, start=1)}


def plain_predictions(shared_data: Path, name: str) -> dict[str, int]:
    with (shared_data / "predictions" / f"{name}.csv").open() as file:
        return {row["file_name"]: int(row["predicted_class"]) for row in csv.DictReader(file)}


def test_csv_is_one_table(published_runs: Path) -> None:
    compared = ("compare", "ResNet50", "ViT", "--format", "csv", "--runs", str(published_runs))
    (pair,) = csv.DictReader(invoke(*compared).splitlines())
    assert pair["Finding"] == "second is better"


def test_a_run_named_twice_is_one(published_runs: Path) -> None:
    first, second = list_runs(published_runs)[:2]
    paths = [str(published_runs / first.run_id), first.run_id, second.run_id]
    answer = json.loads(invoke("compare", *paths, "--format", "json", "--runs", str(published_runs)))
    assert [run["run"] for run in answer["runs"]] == [first.run_id, second.run_id]


def test_the_tables_say_which_is_better(published_runs: Path) -> None:
    shown = invoke("compare", "ViT", "ResNet50", "--bins", "--runs", str(published_runs))
    assert "first is better" in shown
    assert "Calibration, by the probability of the predicted class" in shown


def test_one_run_is_not_enough(published_runs: Path) -> None:
    result = CliRunner().invoke(app, ["compare", "ViT", "ViT", "--runs", str(published_runs)])
    assert result.exit_code == 2
    assert "only one run is named: ViT-imagenet-val-imported" in result.output


def test_runs_of_other_images_are_refused(published_runs: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("ILSVRC2012_val_00000293.JPEG,0\n")
    (tmp_path / "p.csv").write_text("file_name,predicted_class\nILSVRC2012_val_00000293.JPEG,394\n")
    import_published(tmp_path / "p.csv", "one", tmp_path, labels)
    (one,) = list_runs(tmp_path)
    arguments = ["compare", "ViT", str(tmp_path / one.run_id), "--runs", str(published_runs)]
    refused = CliRunner().invoke(app, arguments)
    assert (refused.exit_code, "50,000 and 1, 1 in both" in refused.output) == (2, True), refused.output
    assert "no difference shown" in CliRunner().invoke(app, [*arguments, "--common"]).output
