"""Four images with labels and predictions, and their import."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner, Result

from repro.commands import app
from repro.results.runs import list_runs
from repro.results.store import read_rows

LABELS = {"a.JPEG": 3, "b.JPEG": 7, "c.JPEG": 7, "d.JPEG": 999}
PREDICTED = {"a.JPEG": 3, "b.JPEG": 8, "c.JPEG": 7, "d.JPEG": 0}


def write_csv(path: Path, rows: list[tuple[object, ...]], header: str = "") -> Path:
    header = header or "file_name,predicted_class,predicted_probability"
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


def predicted_rows() -> list[tuple[object, ...]]:
    return [(name, predicted, 0.1 + i / 10) for i, (name, predicted) in enumerate(PREDICTED.items())]


def run_import(tmp_path: Path, file: Path, *more: str) -> Result:
    arguments = ["import-predictions", str(file), "--model", "Some Net", "--runs", str(tmp_path / "runs")]
    if "--labels" not in more:
        more = ("--labels", str(tmp_path / "labels.csv"), *more)
    return CliRunner().invoke(app, [*arguments, *more])


def rows_in(tmp_path: Path) -> dict[str, dict]:
    (record,) = list_runs(tmp_path / "runs")
    return {row["path"]: row for row in read_rows(tmp_path / "runs" / record.run_id, record).to_pylist()}
