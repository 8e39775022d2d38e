"""`repro plot`: the file, what is said of it, and what is not drawn."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from repro.commands import app
from repro.results.store import RunFolder
from tests.analysis.records import run_of
from tests.analysis.rows import rows_of


def plot(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["plot", *arguments, "--runs", str(folder / "runs")])


@pytest.mark.parametrize("against", ["macs", "params"])
def test_by_default_the_file_is_called_after_what_it_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, against: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = plot(tmp_path, "--table", "slide19", "--against", against)
    assert result.exit_code == 0, result.output
    assert result.stdout == f"accuracy-against-{against}.svg: 2 printed points, 0 measured\n"
    assert (tmp_path / f"accuracy-against-{against}.svg").read_bytes().startswith(b"<?xml")
    command = "repro eval --models rsb_resnet34,poolformer_s24 --data IMAGENET"
    assert f"next: {command} --runs {tmp_path / 'runs'}\n" in result.stderr


def test_a_partial_run_is_not_drawn_and_that_is_said(tmp_path: Path) -> None:
    record = run_of("poolformer_s24", 2, n=4)
    RunFolder(tmp_path / "runs" / record.run_id, record.fingerprint).finish(rows_of([0, 1, 2, 0]), record)
    result = plot(tmp_path, "--table", "slide19", "--out", str(tmp_path / "a.png"))
    assert result.exit_code == 0, result.output
    assert "2 printed points, 0 measured" in result.stdout
    assert "not drawn: PoolFormer-S24, measured: NOT COMPARABLE, 4 of 50,000 images" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--out", "a.pdf"], "error: a.pdf ends in '.pdf'; a picture's is one of .svg, .png, .html"),
        (["--table", "slide13"], "error: unknown table 'slide13'"),
        (["--protocol", "mine"], "error: unknown protocol 'mine'; there are authors, timm"),
    ],
)
def test_what_cannot_be_meant_ends_with_one_line(tmp_path: Path, arguments: list[str], said: str) -> None:
    result = plot(tmp_path, *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not list(tmp_path.iterdir())


def test_only_tables_that_can_be_drawn_are_named(tmp_path: Path) -> None:
    refused = plot(tmp_path, "--table", "test-sets")
    assert refused.exit_code == 2
    assert "unknown table 'test-sets'; there are baselines, " in refused.stderr
    assert "test-sets" not in refused.stderr.partition(";")[2]


def test_a_folder_in_the_files_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.svg").mkdir()
    result = plot(tmp_path, "--table", "slide19", "--out", str(tmp_path / "a.svg"))
    assert result.exit_code == 2
    assert f"error: --out {tmp_path / 'a.svg'} is a folder, not a file" in result.stderr


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = plot(tmp_path, "--table", "slide19", "--out", str(tmp_path / "file" / "a.svg"))
    assert result.exit_code == 74
    assert "a.svg could not be written" in result.stderr
    assert "try:   choose another file with --out" in result.stderr
