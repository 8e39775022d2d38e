"""`repro explain` and `repro probe` as a user meets them."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from repro.commands import app
from repro.specs import digest
from tests.explain.toys import BIG, LAYER, SMALL, evaluate_toy, picture_for


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with three big things taken for small, one small thing taken for big, and four right answers."""
    folder = tmp_path_factory.mktemp("toy")
    rng = np.random.default_rng(5)
    labels = [BIG, BIG, BIG, SMALL]
    _, boxes = evaluate_toy(
        "size", folder, [picture_for("size", x, r, rng) for r in (False, True) for x in labels]
    )
    lines = (f"{i},{b.x_min},{b.y_min},{b.x_max},{b.y_max}" for i, (b,) in boxes.items())
    (folder / "boxes.csv").write_text("image_id,x_min,y_min,x_max,y_max\n" + "\n".join(lines) + "\n")
    return folder


def invoke(toy: Path, verb: str, *arguments: str | Path) -> Result:
    common = [verb, "timm_repro_by_size", "--runs", toy / "runs", "--device", "cpu", "--batch-size", "4"]
    return CliRunner().invoke(app, [str(argument) for argument in [*common, *arguments]])


def table(result: Result) -> list[dict[str, str]]:
    assert result.exit_code == 0, result.output
    return list(csv.DictReader(io.StringIO(result.stdout)))


def test_the_errors_are_explained_most_confident_first(toy: Path) -> None:
    rows = table(invoke(toy, "explain", "--layer", LAYER, "--format", "csv"))
    assert sorted(row["Image"] for row in rows) == ["thing_000", "thing_001", "thing_002", "thing_003"]
    p = [float(row["p (predicted)"]) for row in rows]
    assert p == sorted(p, reverse=True)
    assert all(row["True class"] != row["Predicted"] for row in rows)
    assert {row["Status"] for row in rows} == {"ok"}
    limited = table(invoke(toy, "explain", "--layer", LAYER, "--limit", "2", "--format", "csv"))
    assert [row["Image"] for row in limited] == [row["Image"] for row in rows[:2]]


def test_a_pair_is_one_way(toy: Path) -> None:
    one_way = invoke(toy, "explain", "--layer", LAYER, "--pair", f"{BIG},{SMALL}", "--format", "csv")
    assert len(table(one_way)) == 3
    back = invoke(toy, "explain", "--layer", LAYER, "--pair", f"{SMALL}, {BIG}", "--format", "csv")
    assert [row["Image"] for row in table(back)] == ["thing_003"]


def test_overlays_are_drawn_and_the_next_command_named(toy: Path, tmp_path: Path) -> None:
    result = invoke(
        toy, "explain", "--layer", LAYER, "--images", "thing_004,thing_000", "--out", tmp_path / "out"
    )
    assert result.exit_code == 0, result.output
    assert "2 of 2 images drawn" in result.stderr
    assert "next: repro probe timm_repro_by_size" in result.stderr
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("next: ")]
    assert f"--images thing_004,thing_000 --layer {LAYER} --device cpu" in line
    drawn = sorted((tmp_path / "out").iterdir())
    assert [path.name[-13:] for path in drawn] == ["thing_000.png", "thing_004.png"]
    with Image.open(drawn[0]) as picture:
        assert picture.size[0] > picture.size[1] > 300


def test_boxes_are_reported(toy: Path) -> None:
    result = invoke(toy, "explain", "--layer", LAYER, "--boxes", toy / "boxes.csv")
    assert "In the boxes (true, 4 maps):" in result.stdout
    assert "In the boxes (contrast, 4 maps):" in result.stdout


def test_a_probe_is_told_beside_its_controls(toy: Path) -> None:
    result = invoke(
        toy, "probe", "--layer", LAYER, "--kind", "size", "--boxes", toy / "boxes.csv", "--format", "csv"
    )
    rows = table(result)
    assert [row["Intervention"] for row in rows[:2]] == ["any that counts", "smaller, on grey"]
    assert len(rows) == 13
    assert float(rows[0]["Errors turned right (%)"]) == 100
    assert "4 errors and 4 controls" in result.stderr
    again = invoke(toy, "probe", "--layer", LAYER, "--kind", "size", "--boxes", toy / "boxes.csv")
    assert "who says where the object is: box 8" in again.stdout
    assert " of 8 images" not in again.stderr  # nothing was computed again
    assert len(list(toy.glob("runs/*/probes/size-*.parquet"))) == 1


def test_images_that_are_named_are_all_explained(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("repro.commands.explain.FEW", 1)
    common = ("explain", "--layer", LAYER, "--format", "csv")
    assert len(table(invoke(toy, *common))) == 1
    assert len(table(invoke(toy, *common, "--images", "thing_004,thing_000"))) == 2
    assert len(table(invoke(toy, *common, "--images", "thing_004,thing_000", "--limit", "1"))) == 1


def test_the_table_of_several_runs_names_them(toy: Path) -> None:
    """Also where they are of one model."""
    (run,) = (toy / "runs").glob("timm_repro_by_size*")
    other = toy / "other"
    shutil.copytree(run, other / "runs" / "twin")
    record = json.loads((run / "run.json").read_text()) | {"run_id": "twin"}
    record.pop("sha256")
    (other / "runs" / "twin" / "run.json").write_text(json.dumps(record | {"sha256": digest(record)}))
    both = [run, other / "runs" / "twin", "--layer", LAYER, "--device", "cpu", "--format", "csv"]
    result = CliRunner().invoke(app, ["explain", *map(str, both), "--boxes", str(toy / "boxes.csv")])
    assert {row["Model"] for row in table(result)} == {f"{run.name}: 4 images", "twin: 4 images"}
    result = CliRunner().invoke(app, ["probe", *map(str, both), "--kind", "size"])
    assert {row["Run and kind"].partition(",")[0] for row in table(result)} == {run.name, "twin"}


@pytest.mark.parametrize(
    ("verb", "arguments", "words"),
    [
        (
            "explain",
            ["--method", "eigencam"],
            "unknown method 'eigencam'; there are gradcam, hirescam, xgradcam",
        ),
        ("explain", ["--boxes", "nowhere"], "no such file or folder for --boxes: nowhere"),
        ("explain", [], "no heat-map layer is known for repro_by_size"),
        ("explain", ["--layer", "feature"], "no layer 'feature': at 'feature' there is features"),
        ("explain", ["--pair", "lipstick"], "--pair 'lipstick' is not of the form TRUE,PREDICTED"),
        ("explain", ["--pair", "lipstik,dam"], "unknown class 'lipstik'; did you mean lipstick"),
        ("explain", ["--pair", "lipstick,dam"], "none of the runs has errors of the pair lipstick,dam"),
        ("explain", ["--pair", "lipstick,dam"], "left out: timm_repro_by_size"),
        ("explain", ["--images", "thing_999"], "has no prediction for image 'thing_999'"),
        ("explain", ["--images", " , "], "--images names none"),
        ("explain", ["--images", "a", "--pair", "a,b"], "exclude each other"),
        ("probe", ["--kind", "colour"], "unknown kind of probe 'colour'; there are size, context, shape"),
        ("probe", ["--kind", "shape", "--images", "thing_004"], "what is right needs no cause"),
        ("probe", ["--boxes", "nowhere"], "no such file or folder for --boxes: nowhere"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_meant_is_told(verb: str, arguments: list[str], words: str, toy: Path) -> None:
    result = invoke(toy, verb, *arguments)
    assert result.exit_code == 2, result.output
    assert words in result.stderr


def test_a_run_that_is_not_there_is_told(toy: Path) -> None:
    result = CliRunner().invoke(app, ["explain", "nothing", "--runs", str(toy / "runs")])
    assert result.exit_code == 2
    assert "no run is meant by 'nothing'" in result.stderr
