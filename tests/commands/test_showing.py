"""The verbs that show: `models`, `runs`, `complexity`, `compare-table`."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from repro.catalogue.models import find_model, load_models
from repro.catalogue.tables import find_table
from repro.commands import app
from repro.results.runs import read_record
from tests.analysis.records import with_summary


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def runs(counted_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two real runs on the packaged photographs."""
    folder = tmp_path_factory.mktemp("runs")
    shutil.copytree(counted_folder, folder, dirs_exist_ok=True)
    result = invoke("eval", "--models", "lite0,lite1", "--runs", folder, "--workers", "0")
    assert result.exit_code == 0, result.output
    yield folder


def test_every_model_is_listed_with_where_its_weights_are() -> None:
    rows = list(csv.DictReader(io.StringIO(invoke("models", "--format", "csv").stdout)))
    assert [row["Name"] for row in rows] == [spec.name for spec in load_models()]
    by_name = {row["Name"]: row for row in rows}
    assert by_name["efficientnet_lite0"]["Weights"] == "package"
    assert by_name["pvt_tiny"]["Weights"] == "not in timm"
    assert by_name["vit_b16"]["Weights"] == "weights not public"
    assert by_name["poolformer_s24"] | {"Note": "", "Weights": ""} == {
        "Name": "poolformer_s24",
        "Aliases": "",
        "timm tag": "poolformer_s24.sail_in1k",
        "Token mixer": "pooling",
        "Params (M)": "21.39",
        "MACs (G)": "3.413",
        "Top-1 printed": "80.3",
        "Top-1 by timm": "80.294",
        "Weights": "",
        "Note": "",
    }


@pytest.mark.parametrize("verb", [["compare-table"], ["compare-table", "--table", "test-sets"], ["plot"]])
def test_a_renamed_run_is_told_and_stops_nothing(runs: Path, tmp_path: Path, verb: list[str]) -> None:
    folder = shutil.copytree(runs, tmp_path / "runs")
    first = min(path.parent for path in folder.glob("*/run.json"))
    first.rename(folder / "old")
    out = ["--out", tmp_path / "plot.svg"] if verb == ["plot"] else []
    result = invoke(*verb, "--runs", folder, *out)
    assert result.exit_code == 0, result.output
    assert f"left out: old (it was moved: its record is that of {first.name})" in result.stderr.splitlines()


def test_damaged_records_keep_no_other_run_from_being_listed(runs: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(runs, tmp_path / "runs", ignore=shutil.ignore_patterns("complexity"))
    (sound,) = folder.glob("efficientnet_lite1*")
    for name in ("one", "two"):
        (folder / name).mkdir()
        (folder / name / "run.json").write_text("{")
    result = invoke("runs", "--runs", folder)
    assert (result.exit_code, sound.name in result.stdout) == (74, True), result.output
    for name in ("one", "two"):
        assert f"error: {folder / name / 'run.json'} is damaged" in result.stderr
    shutil.rmtree(folder / "two")
    assert invoke("compare-table", "--runs", folder).exit_code == 74  # which might be of just that run


def test_runs_are_listed_with_their_intervals(runs: Path) -> None:
    result = invoke("runs", "--runs", runs)
    assert "2 runs" in result.stdout
    assert "90.000" in result.stdout
    assert "69.90–97.21" in result.stdout


def test_no_runs_say_how_to_get_some(tmp_path: Path) -> None:
    result = invoke("runs", "--runs", tmp_path)
    assert result.exit_code == 2
    assert "repro demo" in result.stderr


def test_the_papers_table_has_every_row_and_what_ran_besides(runs: Path) -> None:
    result = invoke("compare-table", "--runs", runs, "--format", "json")
    assert result.exit_code == 0, result.output
    assert result.stderr.splitlines()[-1].endswith(f" --data IMAGENET --runs {runs}")
    table = json.loads(result.stdout)
    rows = {row["model"]: row for row in table["rows"]}
    assert len(rows) == 27 + 2
    assert rows["poolformer_s24"]["verdict"] == "NOT RUN"
    assert rows["poolformer_s24"]["macs_g"]["measured"] == pytest.approx(3.412808704)
    assert rows["poolformer_m48"]["macs_g"]["verdict"] == "AGREES"
    assert rows["resmlp_b24"]["params_m"]["verdict"] == "DIFFERS"
    assert rows["efficientnet_lite0"]["verdict"] == "NOT COMPARABLE"
    assert rows["efficientnet_lite0"]["n"] == 20
    counted = {name for name, row in rows.items() if row["params_m"]["measured"] is not None}
    countable = {row.model for row in find_table("paper").rows if find_model(row.model).timm_name}
    assert counted == countable | {"efficientnet_lite0", "efficientnet_lite1"}


@pytest.mark.parametrize(("table", "n"), [("slide12", 3), ("slide19", 2)])
def test_the_talks_slides_name_their_superseded_macs(runs: Path, table: str, n: int) -> None:
    rows = json.loads(invoke("compare-table", "--runs", runs, "--table", table, "--format", "json").stdout)[
        "rows"
    ]
    printed = {row["model"]: row for row in rows if row["top1_pct"]["printed"] is not None}
    assert len(printed) == n
    assert printed["poolformer_s24"]["macs_g"]["verdict"] == "SUPERSEDED"


@pytest.mark.parametrize("form", ["terminal", "markdown", "latex", "csv", "html"])
def test_every_form_holds_every_row(runs: Path, form: str) -> None:
    result = invoke("compare-table", "--runs", runs, "--format", form)
    assert result.exit_code == 0, result.output
    assert all(name in result.stdout for name in ("PoolFormer-S24", "Swin-Mixer-T/D24", "EfficientNet-Lite0"))


def test_timms_protocol_is_judged_by_timms_figures(runs: Path) -> None:
    rows = json.loads(
        invoke("compare-table", "--runs", runs, "--protocol", "timm", "--format", "json").stdout
    )["rows"]
    assert {row["model"]: row["top1_pct"]["printed"] for row in rows}["deit_s"] == 79.856


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["--table", "slide13"],
            "unknown table 'slide13'; there are baselines, paper, paper-middle, paper-v1, slide12, slide19, "
            "table1, test-sets",
        ),
        (["--protocol", "mine"], "unknown protocol 'mine'"),
    ],
)
def test_what_cannot_be_meant_is_told(arguments: list[str], words: str, runs: Path) -> None:
    result = invoke("compare-table", "--runs", runs, *arguments)
    assert result.exit_code == 2
    assert words in result.stderr


def test_numbers_come_from_the_rows_not_from_the_record(runs: Path, tmp_path: Path) -> None:
    """A record that says otherwise changes no number; damaged rows are refused."""
    (source,) = runs.glob("efficientnet_lite0-*")
    shutil.copytree(runs / "complexity", tmp_path / "complexity")
    copy = tmp_path / source.name
    copy.mkdir()
    record = with_summary(read_record(source / "run.json"), top1_correct=20)
    (copy / "run.json").write_text(record.to_json())
    rows = (source / "predictions.parquet").read_bytes()
    (copy / "predictions.parquet").write_bytes(rows)
    table = json.loads(invoke("compare-table", "--runs", tmp_path, "--format", "json").stdout)
    (lite0,) = [row for row in table["rows"] if row["model"] == "efficientnet_lite0"]
    assert lite0["top1_pct"]["measured"] == 90.0

    (copy / "predictions.parquet").write_bytes(rows[:-1])
    result = invoke("compare-table", "--runs", tmp_path)
    assert result.exit_code == 74
    assert "results damaged" in result.stderr


def test_counters_are_laid_side_by_side(runs: Path) -> None:
    rows = list(
        csv.DictReader(
            io.StringIO(invoke("complexity", "poolformer_m48", "--runs", runs, "--format", "csv").stdout)
        )
    )
    assert rows[0]["Params"] == "73,473,448"
    assert (rows[0]["MACs (G) fvcore"], rows[0]["MACs (G) torch"]) == ("11.591", "11.533")
