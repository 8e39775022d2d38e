"""A run's predictions written out: under names that come back, and unchanged."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from repro.commands import app
from repro.exchange.exporting import to_csv
from repro.results.predictions import SCHEMA
from repro.results.runs import list_runs
from repro.results.store import read_rows
from tests.exchange.predicting import predicted_rows, rows_in, run_import, write_csv


def test_images_of_a_parquet_file_are_exported_under_their_own_names() -> None:
    scored = {"status": "ok", "top5": [1, 2, 3, 4, 5], "p_top5": None, "label": 1, "rank": 0}
    ids = ("ILSVRC2012_val_00000001", "ILSVRC2012_val_00000002")
    rows = [{"image_id": i, "path": f"data/validation.parquet:{n}", **scored} for n, i in enumerate(ids)]
    table = pa.Table.from_pylist(rows, pa.schema([SCHEMA.field(name) for name in rows[0]]))
    names = [line.partition(",")[0] for line in to_csv(table).splitlines()[1:]]
    assert names == [f"{image_id}.JPEG" for image_id in ids]


def test_an_exported_run_comes_back_as_it_was(tmp_path: Path, labels: Path) -> None:
    run_import(tmp_path, write_csv(tmp_path / "p.csv", predicted_rows()))
    (record,) = list_runs(tmp_path / "runs")
    out = tmp_path / "out.csv"
    arguments = ["export-predictions", "Some_Net", "--out", str(out), "--runs", str(tmp_path / "runs")]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    again = CliRunner().invoke(
        app,
        [
            "import-predictions",
            str(out),
            "--model",
            "Some Net",
            "--labels",
            str(labels),
            "--runs",
            str(tmp_path),
        ],
    )
    assert again.exit_code == 0, again.output
    (back,) = list_runs(tmp_path)
    assert read_rows(tmp_path / back.run_id, back).equals(
        read_rows(tmp_path / "runs" / record.run_id, record)
    )


def test_paths_that_are_no_text_are_refused_or_written_out(tmp_path: Path, labels: Path) -> None:
    """Of the runs' folder a record holds nothing but the word of the command line."""
    file = write_csv(tmp_path / "p\udcff.csv", predicted_rows())
    refused = run_import(tmp_path, file)
    assert refused.exit_code == 2 and "FILE '/" in refused.stderr and "is not UTF-8" in refused.stderr
    runs = tmp_path / "runs\udcff"
    command = [sys.executable, "-m", "repro", "import-predictions", file.rename(tmp_path / "p.csv")]
    options = ["--model", "Net", "--labels", labels, "--runs", runs]
    subprocess.run([*command, *options], check=True, capture_output=True)
    (record,) = list_runs(runs)
    assert record.arguments[-1] == f"{tmp_path}/runs\\udcff"


@pytest.mark.parametrize(
    ("out", "code", "said"),
    [
        (".", 2, "error: --out . is a folder, not a file"),
        ("", 2, "error: --out . is a folder, not a file"),
        ("labels.csv/p.csv", 74, "try:   choose another file with --out"),
    ],
)
def test_what_cannot_be_written_to_is_told(
    tmp_path: Path, labels: Path, monkeypatch: pytest.MonkeyPatch, out: str, code: int, said: str
) -> None:
    run_import(tmp_path, write_csv(tmp_path / "p.csv", predicted_rows()))
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["export-predictions", "Some_Net", "--out", out, "--runs", "runs"])
    assert (result.exit_code, said in result.stderr) == (code, True), result.output


def test_images_of_the_same_file_name_come_back_too(tmp_path: Path) -> None:
    """As in ImageNet-R, whose classes all have an `art_0.jpg`."""
    names = ("n01443537/art_0.jpg", "n01484850/art_0.jpg", "n01484850/art_1.jpg")
    (tmp_path / "labels.csv").write_text("".join(f"{name},{i}\n" for i, name in enumerate(names, start=1)))
    first = run_import(tmp_path, write_csv(tmp_path / "p.csv", [(name, 1, 0.5) for name in names]))
    assert first.exit_code == 0, first.output
    assert list(rows_in(tmp_path)) == list(names)
    arguments = ["export-predictions", "Some_Net", "--runs", str(tmp_path / "runs")]
    exported = CliRunner().invoke(app, arguments).stdout
    assert [line.partition(",")[0] for line in exported.splitlines()[1:]] == list(names)


def test_export_gives_paths_where_stems_repeat() -> None:
    scored = {"status": "ok", "top5": [1, 2, 3, 4, 5], "p_top5": None, "label": 1, "rank": 0}
    rows = [{"image_id": path, "path": path, **scored} for path in ("val/a.jpg", "val/a.png")]
    table = pa.Table.from_pylist(rows, pa.schema([SCHEMA.field(name) for name in rows[0]]))
    assert [line.partition(",")[0] for line in to_csv(table).splitlines()[1:]] == ["val/a.jpg", "val/a.png"]
