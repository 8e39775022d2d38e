"""`repro study size-in-context`: trains, asks, probes, and goes on where it was."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from repro.commands import app
from repro.explain.doses import DOSES

SMALL = ["network.depth=6", "network.dims=[32, 32, 32, 32]"]


def study(folder: Path, *arguments: str) -> Result:
    budget = ["--epochs", "1", "--images", "64", "--held-out", "30", "--threads", "1", "--at-once", "1"]
    settings = [part for setting in SMALL for part in ("--set", setting)]
    where = ["--out", str(folder / "reports"), "--runs", str(folder / "runs")]
    return CliRunner().invoke(app, ["study", "size-in-context", *budget, *settings, *where, *arguments])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--set", "network.token_mixer=identity"], "no effect here; it is settled by the study: the models"),
        (
            ["--set", "network.size_px=32"],
            "the recipe has size_px 32, crop 1, scale [1.0, 1.0]; scenes have 64",
        ),
        (["--recipe", "small", "--set", "network.n_classes=3"], "size_px 32, crop 1, scale [0.5, 1.0]"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments: list[str], words: str, tmp_path: Path) -> None:
    result = study(tmp_path, *arguments)
    assert result.exit_code == 2
    assert words in result.stderr
    assert not list(tmp_path.iterdir())


def test_models_are_trained_asked_and_probed(tmp_path: Path) -> None:
    first = study(tmp_path, "--seeds", "1")
    assert first.exit_code == 0, first.stderr
    assert "hybrid, seed 0: epoch 1 of 1" in first.stderr
    again = study(tmp_path, "--seeds", "1")
    assert "epoch 1 of 1" not in again.stderr
    assert again.stdout == first.stdout
    rows = list(csv.DictReader((tmp_path / "reports" / "size-in-context.csv").read_text().splitlines()))
    assert {row["model"] for row in rows} == {"pooling", "identity", "attention", "hybrid"}
    assert len({row["condition"] for row in rows}) == 5 + len(DOSES["size"]) + len(DOSES["context"])
    assert all(0 <= int(row["n_right"]) <= int(row["n"]) == 30 for row in rows)
    records = [json.loads(path.read_text()) for path in (tmp_path / "runs").rglob("training.json")]
    mixers = {record["recipe"]["name"]: record["recipe"]["network"]["token_mixer"] for record in records}
    assert mixers == {
        "size-in-context-pooling": "pooling",
        "size-in-context-identity": "identity",
        "size-in-context-attention": "attention",
        "size-in-context-hybrid": ["pooling", "pooling", "attention", "attention"],
    }
    right = {
        f"size-in-context-{row['model']}": int(row["n_right"]) for row in rows if row["condition"] == "test"
    }
    assert right == {record["recipe"]["name"]: round(30 * record["top1"]) for record in records}
    report = (tmp_path / "reports" / "size-in-context.md").read_text()
    assert "4 of 4 trainings (4 models, 1 seeds) done" in report
    assert "not decided at this scale" in report
    assert "surroundings greyed 1" in report
    with Image.open(tmp_path / "reports" / "size-in-context.png") as picture:
        assert picture.text["Software"] == "Written by `repro study size-in-context`; do not edit."
