"""`repro complexity --by-stage` and `--by-operator`: the lines add up, and pooling is said to count 0."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from typer.testing import CliRunner

from repro.commands import app


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


def shown(folder: Path, *arguments: str) -> str:
    result = CliRunner().invoke(app, ["complexity", "poolformer_s12", *arguments, "--runs", str(folder)])
    assert result.exit_code == 0, result.output
    return result.stdout


def number(text: str) -> int:
    return int(text.replace(",", ""))


def test_the_shown_stages_add_up_to_the_shown_whole(folder: Path) -> None:
    *parts, whole = csv.DictReader(io.StringIO(shown(folder, "--by-stage", "--format", "csv")))
    assert [part["Part"] for part in (*parts[:2], whole)] == ["stem", "stages.0", "whole"]
    for column in ("Params", "MACs fvcore", "MACs torch"):
        assert sum(number(part[column]) for part in parts) == number(whole[column]) > 0
    assert number(whole["MACs fvcore"]) == 1_822_580_736


def test_the_operators_and_those_that_are_skipped(folder: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(shown(folder, "--by-operator", "--format", "csv"))))
    pooling = [row for row in rows if row["Operator"].endswith("avg_pool2d") and row["Skipped"]]
    assert [(row["Operator"], row["MACs"], row["Runs"], row["Skipped"]) for row in pooling] == [
        ("aten::avg_pool2d", "0", "12", "no rule: counts 0"),
        ("aten.avg_pool2d", "0", "12", "no rule: counts 0"),
    ]


@pytest.mark.parametrize("table", ["--by-stage", "--by-operator"])
def test_it_says_literally_that_pooling_counts_0(folder: Path, table: str) -> None:
    text = shown(folder, table)
    assert "Pooling, PoolFormer's token mixer (avg_pool2d), counts 0 in all of them" in text


@pytest.mark.parametrize("table", ["--by-stage", "--by-operator"])
def test_two_models_of_one_label_are_two(folder: Path, table: str) -> None:
    """timm's PoolFormer-S12, and ours."""
    both = shown(folder, "metaformer:poolformer_s12", table, "--format", "csv")
    _, *rows = csv.reader(io.StringIO(both))
    models = {row[0].partition(", by")[0] for row in rows}
    assert models == {"PoolFormer-S12 (poolformer_s12)", "PoolFormer-S12 (metaformer:poolformer_s12)"}


def test_one_table_at_a_time(folder: Path) -> None:
    arguments = ["complexity", "poolformer_s12", "--by-stage", "--by-operator", "--runs", str(folder)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert "--by-stage and --by-operator are two tables; ask for one at a time" in result.output
