"""`repro study ablation`: trains what is missing, writes its report, and refuses what cannot be meant."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from repro.commands import app
from tests.training.toys import paint_classes, write_recipe


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return paint_classes(tmp_path_factory.mktemp("colours"), n_train=8)


def study(data: Path, folder: Path, *arguments: str) -> Result:
    fixed = ["--data", str(data), "--recipe", str(write_recipe(data)), "--threads", "1", "--at-once", "1"]
    fixed += ["--set", "network.norm=modified-layer"]
    where = ["--out", str(folder / "reports"), "--runs", str(folder / "runs")]
    return CliRunner().invoke(app, ["study", "ablation", *fixed, *where, *arguments])


def test_rows_are_trained_once_and_reported(data: Path, tmp_path: Path) -> None:
    rows = ["--rows", "baseline,identity mapping, no norm", "--epochs", "2"]
    first = study(data, tmp_path, *rows, "--seeds", "1")
    assert first.exit_code == 0, first.stderr
    assert "identity mapping, seed 0: epoch 2 of 2" in first.stderr
    assert "not decided at this scale" in first.stdout
    more = study(data, tmp_path, *rows, "--seeds", "2")
    assert more.exit_code == 0, more.stderr
    assert "seed 0" not in more.stderr
    assert "no norm, seed 1: epoch 2 of 2" in more.stderr
    found = list(csv.DictReader((tmp_path / "reports" / "ablation.csv").read_text().splitlines()))
    assert [(row["row"], row["seed"]) for row in found] == [
        (row, seed) for seed in "01" for row in ("baseline", "identity mapping", "no norm")
    ]
    assert {row["n"] for row in found} == {"15"}
    records = [json.loads(path.read_text()) for path in tmp_path.glob("runs/**/training.json")]
    networks = [record["recipe"]["network"] for record in records]
    assert sorted((network["token_mixer"], network["norm"]) for network in networks) == sorted(
        2 * [("pooling", "modified-layer"), ("identity", "modified-layer"), ("pooling", "none")]
    )
    report = (tmp_path / "reports" / "ablation.md").read_text()
    assert "6 of 6 trainings (3 rows, 2 seeds) done" in report
    assert "| identity mapping" in report
    assert "74.3" in report
    assert (tmp_path / "reports" / "ablation.png").read_bytes().startswith(b"\x89PNG")


def test_what_was_trained_elsewhere_is_taken_from_its_csv(data: Path, tmp_path: Path) -> None:
    """Two machines with no folder in common: the second trains what the first has not, and reports both."""
    one, other = tmp_path / "one", tmp_path / "other"
    rows = ["--rows", "baseline,no norm", "--epochs", "1", "--seeds", "2"]
    there = study(data, one, "--rows", "baseline,no norm", "--epochs", "1", "--seeds", "1")
    assert there.exit_code == 0, there.stderr
    kept = one / "reports" / "ablation.csv"
    here = study(data, other, *rows, "--finished", str(kept))
    assert here.exit_code == 0, here.stderr
    assert f"2 of 2 trainings in {kept} are of this study" in here.stderr
    assert "seed 0" not in here.stderr
    assert len(list(other.glob("runs/**/training.json"))) == 2
    lines = (other / "reports" / "ablation.csv").read_text().splitlines()
    assert lines[:3] == kept.read_text().splitlines()
    assert [line.split(",")[:2] for line in lines[3:]] == [["baseline", "1"], ["no norm", "1"]]
    report = (other / "reports" / "ablation.md").read_text()
    assert "4 of 4 trainings (2 rows, 2 seeds) done" in report
    assert "4 on cpu, 1 thread, python" in report
    both = study(data, tmp_path / "third", *rows, "--finished", str(other / "reports" / "ablation.csv"))
    assert both.exit_code == 0, both.stderr
    assert not list((tmp_path / "third").glob("runs/**/training.json"))
    assert (tmp_path / "third" / "reports" / "ablation.md").read_text() == report


def test_trainings_of_another_study_are_not_taken_for_this_one_s(data: Path, tmp_path: Path) -> None:
    done = study(data, tmp_path, "--rows", "baseline", "--seeds", "1", "--epochs", "1")
    assert done.exit_code == 0, done.stderr
    kept = tmp_path / "reports" / "ablation.csv"
    refused = study(
        data, tmp_path / "o", "--rows", "baseline", "--seeds", "1", "--epochs", "2", "--finished", str(kept)
    )
    assert refused.exit_code == 2
    assert f"{kept}: none of its 1 trainings is of this study" in refused.stderr
    assert not (tmp_path / "o").exists()


def test_a_report_that_cannot_be_written_is_told_before_the_training(data: Path, tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("a file")
    refused = study(data, tmp_path, "--rows", "baseline,baseline", "--seeds", "1", "--epochs", "1")
    assert refused.exit_code == 74
    assert "choose another folder with --out" in refused.stderr
    assert not (tmp_path / "runs").exists()


def test_a_row_that_is_named_twice_is_one(data: Path, tmp_path: Path) -> None:
    done = study(data, tmp_path, "--rows", "baseline,baseline", "--seeds", "1", "--epochs", "1")
    assert done.exit_code == 0, done.stderr
    assert "1 of 1 trainings (1 rows, 1 seeds) done" in (tmp_path / "reports" / "ablation.md").read_text()
    assert "next: the same command with --seeds 3, the fewest that give intervals" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--rows", "pool 4"], "unknown row of Table 5 'pool 4'; did you mean pool"),
        (["--recipe", "smal"], "unknown recipe 'smal'; did you mean small"),
        (["--set", "network.depth=7"], "depth 7 does not fit L/6, L/6, L/2, L/6"),
        (["--images", "1000", "--rows", "baseline"], "24 images; needs at least one batch"),
        (
            ["--set", "schedule.epochs=9"],
            "--set schedule.epochs has no effect here; it is settled by --epochs",
        ),
        (["--set", "network.norm=batch"], "the baseline of Table 5 has norm 'modified-layer'; the recipe's"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    arguments: list[str], words: str, data: Path, tmp_path: Path
) -> None:
    result = study(data, tmp_path, *arguments)
    assert result.exit_code in (2, 3)
    assert words in result.stderr
    assert not (tmp_path / "reports").exists()
