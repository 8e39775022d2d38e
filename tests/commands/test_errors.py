"""`repro errors` as a user meets it."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from repro.analysis.causes import CAUSES
from repro.commands import app
from repro.exchange.importing import ImportRequest, import_predictions
from repro.results.runs import read_record
from repro.specs import ModelSpec
from tests.commands.studied_runs import photograph, write_run

HOSTILE = "[red]=1+1|<b>&.JPEG"
TENCH, GOLDFISH, CRANE, HAMMER, TOY_POODLE, POODLE = 0, 1, 134, 587, 265, 266
LABELS = {"a.JPEG": TENCH, "b.JPEG": TENCH, HOSTILE: CRANE, "d.JPEG": TOY_POODLE, "e.JPEG": HAMMER}
PREDICTIONS = {
    "One": [GOLDFISH, GOLDFISH, HAMMER, POODLE, HAMMER],
    "Two [b]=|<i>": [GOLDFISH, TENCH, HAMMER, TOY_POODLE, CRANE],
}


def add_run(folder: Path, model: str, labels: dict[str, int], predicted: list[int], p: bool = True) -> None:
    file, label_file = folder / f"{len(list(folder.iterdir()))}.csv", folder / "labels.csv"
    with label_file.open("w", newline="") as opened:
        csv.writer(opened).writerows([("name", "label"), *labels.items()])
    header = ["file_name", "predicted_class", *(["predicted_probability"] if p else [])]
    with file.open("w", newline="") as opened:
        rows = [
            (name, c, *([0.9 - i / 10] if p else []))
            for i, (name, c) in enumerate(zip(labels, predicted, strict=True))
        ]
        csv.writer(opened).writerows([header, *rows])
    import_predictions(ImportRequest(file, ModelSpec(model, "attention"), folder / "runs", label_file))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models on five images, and one, older, on other images."""
    folder = tmp_path_factory.mktemp("small")
    add_run(folder, "Elsewhere", {"z.JPEG": TENCH}, [GOLDFISH])
    for model, predicted in PREDICTIONS.items():
        add_run(folder, model, LABELS, predicted)
    return folder / "runs"


def invoke(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["errors", "--runs", str(folder), *arguments])


def test_the_name_of_a_run_does_not_reach_the_terminal_as_it_stands(tmp_path: Path) -> None:
    """A folder that somebody passed on may hold any."""
    photograph(tmp_path / "photos")
    record = write_run(tmp_path, tmp_path / "photos", "Net", [True] * 6)
    run = tmp_path / record.run_id
    stored = read_record(run / "run.json")
    (run / "run.json").write_text(replace(stored, run_id="run\x1b[2J").to_json())
    result = invoke(tmp_path, str(run))
    assert result.exit_code == 0, result.output
    assert "\x1b" not in result.output
    assert r"1 run: run\u001b[2J" in result.stderr


def test_why_a_run_is_invalid_neither_acts_on_the_terminal_nor_begins_a_line_of_its_own(
    tmp_path: Path,
) -> None:
    photograph(tmp_path / "photos")
    record = write_run(tmp_path, tmp_path / "photos", "Net", [True] * 6)
    doubted = replace(record, summary=replace(record.summary, invalid="\x1b]0;title\x07\ntry:   rm -r ~"))
    (tmp_path / record.run_id / "run.json").write_text(doubted.to_json())
    result = invoke(tmp_path, record.run_id)
    assert result.exit_code == 4, result.output
    assert result.stderr.splitlines() == [
        rf"error: {record.run_id} is INVALID: \u001b]0;title\u0007\u000atry:   rm -r ~"
    ]


def values(result: Result) -> dict:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_all_runs_of_the_newest_images_are_taken(folder: Path) -> None:
    result = invoke(folder, "--format", "json")
    found = values(result)
    assert sorted(found["models"].values()) == sorted(PREDICTIONS)
    assert (found["n_errors"], found["n_pairs"]) == (7, 4)
    first = found["pairs"][0]
    assert (first["label_name"], first["predicted_name"], first["count"], first["n_runs"]) == (
        "tench",
        "goldfish",
        3,
        2,
    )
    assert "Elsewhere-" in result.stderr and "(of other images)" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("next: repro study shape-size")


def test_what_is_kept_is_every_error_with_its_cause(folder: Path) -> None:
    result = invoke(folder, "--class", "hammer", "--format", "json")
    (line,) = (line for line in result.stderr.splitlines() if line.startswith("causes by image: "))
    rows = pq.read_table(line.removeprefix("causes by image: ")).to_pylist()
    assert len(rows) == 7
    assert all(row[row["cause"]] for row in rows)
    assert all(not row[cause] for row in rows for cause in CAUSES[: CAUSES.index(row["cause"])])
    assert not list((folder / "causes").glob(".*"))


def test_another_depth_is_kept_elsewhere(folder: Path) -> None:
    kept = {
        line
        for depth in ("8", "9")
        for line in invoke(folder, "--depth", depth).stderr.splitlines()
        if line.startswith("causes by image: ")
    }
    assert len(kept) == 2


@pytest.mark.parametrize(
    ("arguments", "n_errors"),
    [
        (["--class", "587"], 3),
        (["--class", "n02012849"], 3),
        (["--superclass", "poodle"], 1),
        (["--cause", "fine"], 4),
        (["--min-confidence", "0.85"], 2),
        (["--models", "One"], 4),
        (["One"], 4),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_a_selection_is_counted(folder: Path, arguments: list[str], n_errors: int) -> None:
    assert values(invoke(folder, *arguments, "--format", "json"))["n_errors"] == n_errors


def test_both_ways_are_one_row(folder: Path) -> None:
    pairs = values(invoke(folder, "--symmetric", "--format", "json"))["pairs"]
    (crane,) = (pair for pair in pairs if pair["label_name"] == "crane (bird)")
    assert (crane["count"], crane["forth"], crane["back"]) == (3, 2, 1)


def test_a_pair_has_its_page(folder: Path) -> None:
    result = invoke(folder, "--pair", "n02012849,hammer")
    assert result.exit_code == 0, result.output
    for words in (
        "n02012849",
        "n03481172",
        "large long-necked wading bird",
        "3 errors of the pair",
        "steps apart",
    ):
        assert words in result.stdout
    images = values(invoke(folder, "--pair", "134,587", "--format", "json"))["images"]
    assert {(image["path"], image["label"], image["predicted"]) for image in images} == {
        (HOSTILE, CRANE, HAMMER),
        ("e.JPEG", HAMMER, CRANE),
    }
    assert {image["p_label"] for image in images} == {None}


def test_names_stand_literally(folder: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(invoke(folder, "--pair", "134,587", "--format", "csv").stdout)))
    assert HOSTILE in {row["File"] for row in rows}
    html = invoke(folder, "--pair", "134,587", "--format", "html").stdout
    assert "[red]=1+1|&lt;b&gt;&amp;.JPEG" in html
    assert "<b>&" not in html
    causes = invoke(folder, "--format", "html").stdout
    assert "Two [b]=|&lt;i&gt;" in causes
    assert r"\ensuremath{<}i\ensuremath{>}" in invoke(folder, "--format", "latex").stdout
    assert r"\[red\]=1+1\|\<b\>\&.JPEG" in invoke(folder, "--pair", "134,587", "--format", "markdown").stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--class", "crane"], "'crane' is 2 classes"),
        (["--class", "tench", "--superclass", "dog"], "exclude each other"),
        (["--pair", "tench,dam", "--symmetric"], "--pair excludes --symmetric and --factors"),
        (["--pair", "tench,dam", "--factors"], "--pair excludes --symmetric and --factors"),
        (["--pair", "tench"], "not of the form TRUE,PREDICTED"),
        (["--pair", "tench,hammer"], "no error takes tench for hammer"),
        (["--cause", "sise"], "did you mean 'size candidate'?"),
        (["--superclass", "musical instrument"], "no errors with musical instrument"),
        (["--models", "Three"], "no run of 'Three'"),
        (["One", "--models", "One"], "exclude each other"),
        (["One", "Elsewhere"], "runs of different images"),
        (["--factors"], "no error ratios"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_meant_is_told_in_one_line(folder: Path, arguments: list[str], words: str) -> None:
    result = invoke(folder, *arguments)
    assert result.exit_code in (2, 4)
    (line,) = (line for line in result.stderr.splitlines() if line.startswith("error: "))
    assert words in line
    assert result.stdout == ""


def test_a_caption_of_latex_holds_nothing_that_needs_a_package(folder: Path) -> None:
    asked = ("--min-confidence", "0.5", "--format", "latex")
    caption = next(line for line in invoke(folder, *asked).stdout.splitlines() if "caption" in line)
    assert "made with p of at least 0.5" in caption
    assert caption.isascii()


def test_runs_without_errors_or_probabilities_say_so(tmp_path: Path) -> None:
    add_run(tmp_path, "Right", {"a.JPEG": TENCH}, [TENCH])
    assert "no errors: every image of" in invoke(tmp_path / "runs").stderr
    add_run(tmp_path, "Mute", {"a.JPEG": TENCH}, [GOLDFISH], p=False)
    assert "does not tell the probabilities" in invoke(tmp_path / "runs", "--min-confidence", "0.5").stderr
    assert values(invoke(tmp_path / "runs", "--format", "json"))["n_errors"] == 1


def test_the_two_published_models(published_runs: Path) -> None:
    found = values(invoke(published_runs, "--factors", "--format", "json", "--limit", "1"))
    assert found["n_errors"] == 50_000 - 38_065 + 50_000 - 39_003
    assert sum(found["causes"].values()) == found["n_errors"]
    assert len(found["factors"]) == 2
