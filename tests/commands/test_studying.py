"""`repro study` and `repro report`: what they print and write, of hostile names and missing images too."""

from __future__ import annotations

import csv
import json
import re
from base64 import b64decode
from html.parser import HTMLParser
from io import BytesIO, StringIO
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from repro.commands import app
from repro.doctor.real import load_real_labels
from repro.results.runs import list_runs
from repro.results.store import read_rows
from tests.commands.studied_runs import PAYLOADS, keep_map, keep_probe, photograph, write_run

HOSTILE = "<script>alert(1)</script>"
FORMULA = "=cmd|' /C calc'!A0"


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    photograph(tmp_path / "photos")
    return tmp_path / "photos"


@pytest.fixture
def runs(tmp_path: Path, photos: Path) -> Path:
    folder = tmp_path / "runs"
    write_run(folder, photos, HOSTILE, [True] * 6)
    write_run(folder, photos, FORMULA, [True] * 5 + [False], base="deit_s")
    return folder


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a report over all photographs."""
    folder = tmp_path_factory.mktemp("written")
    photograph(folder / "photos")
    write_run(folder / "runs", folder / "photos", HOSTILE, [True] * 6)
    write_run(folder / "runs", folder / "photos", FORMULA, [True] * 5 + [False], base="deit_s")
    result = invoke("report", "--runs", folder / "runs", "--out", folder)
    assert result.exit_code == 0, result.output
    assert "next: repro probe run-" in result.stderr
    return folder


class Page(HTMLParser):
    """What a page holds: elements with their attributes, and texts."""

    VOID = ("meta", "img", "br", "link", "input")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def images_of(page: Page) -> list[Image.Image]:
    uris = [str(attributes["src"]) for tag, attributes in page.elements if tag == "img"]
    assert all(uri.startswith("data:image/jpeg;base64,") for uri in uris)
    return [Image.open(BytesIO(b64decode(uri.partition(",")[2]))) for uri in uris]


def test_the_page_stands_alone_and_shows_hostile_names_literally(written: Path) -> None:
    text = (written / "report.html").read_text()
    page = Page(text)
    assert not page.open
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "link", "iframe", "object", "embed", "base", "form", "image"}
    for _, attributes in page.elements:
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in ("src", "href", "xlink:href", "srcset", "action", "data", "poster"):
                assert value and value.startswith(("#", "data:image/jpeg;base64,"))
            if name == "style":
                assert "url(http" not in str(value) and "@import" not in str(value)
    assert "@import" not in text and not re.search(r"url\((?!#)", text)
    policies = [a["content"] for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy"]
    assert policies and str(policies[0]).startswith("default-src 'none'; img-src data:;")
    shown = "\n".join(page.texts)
    assert HOSTILE in shown and FORMULA in shown and "images of <b>photographs" in shown
    for name in PAYLOADS:
        assert name.replace("\u202e", "\\u202e") in shown
    assert "\u202e" not in text


def test_the_twin_shows_hostile_names_literally(written: Path) -> None:
    twin = (written / "report.md").read_text()
    assert "\\<script\\>alert(1)\\</script\\>" in twin
    assert "\\!\\[x\\](http:evil)" in twin
    assert not re.search(r"(?<!\\)<(script|img)", twin)
    assert "\u202e" not in twin and "\\\\u202e" in twin
    assert "Chosen by rule" in twin and "In short" in twin


def test_thumbnails_are_small_and_tell_nothing_but_pixels(written: Path) -> None:
    thumbnails = images_of(Page((written / "report.html").read_text()))
    assert len(thumbnails) == 11
    for thumbnail in thumbnails:
        assert thumbnail.size == (200, 133)
        assert not thumbnail.getexif() and "comment" not in thumbnail.info
        assert "icc_profile" not in thumbnail.info


def test_images_that_changed_or_went_are_named_and_heat_maps_drawn(
    tmp_path: Path, photos: Path, runs: Path
) -> None:
    (record,) = [record for record in list_runs(runs) if record.model.name == HOSTILE]
    keep_map(runs, record, next(photos.glob("*/right*.JPEG")))
    next(photos.glob("*/plain.JPEG")).unlink()
    (formula,) = photos.glob("*/=cmd().JPEG")
    formula.write_bytes(formula.read_bytes() + b"\0")
    result = invoke("report", "--runs", runs, "--out", tmp_path / "page.html")
    assert result.exit_code == 0, result.output
    page = Page((tmp_path / "page.html").read_text())
    shown = " ".join(page.texts)
    assert "no image: no longer in the dataset" in shown
    assert "no image: another image than the one that was scored (sha256)" in shown
    assert "2 of 6 images are not shown" in result.stderr
    (overlay,) = [image for image in images_of(page) if image.size != (200, 133)]
    assert overlay.size == (200, 200)
    bright, dark = (sum(overlay.getpixel(place)) for place in ((20, 20), (180, 180)))
    assert bright > dark + 100
    assert "image and heat map (gradcam, x)" in (tmp_path / "page.md").read_text()
    assert "heat map: gradcam, x" in shown


def test_errors_that_a_probe_turned_right_are_shown_with_the_dose(
    tmp_path: Path, photos: Path, runs: Path
) -> None:
    """Two of five; the run without probes shows none."""
    files = sorted(photos.glob("*/*.JPEG"), key=lambda path: path.stem)
    record = next(r for r in list_runs(runs) if r.model.name == FORMULA)
    keep_probe(runs, record, files[1:3], held=files[5])
    assert invoke("report", "--runs", runs, "--out", tmp_path / "out").exit_code == 0
    page, twin = (
        (tmp_path / "out" / f"report.{form}").read_text(encoding="utf-8") for form in ("html", "md")
    )
    turned = page.split('<section id="turned">')[1]
    assert turned.count("right with: larger 1.41; p (true) 0.050 → 0.750") == 2
    assert turned.count("<img ") == 2
    assert "right with" not in page.split('<section id="turned">')[0]
    assert twin.split("## Errors that a probe turned right")[1].count("right with: larger 1.41") == 2


def test_a_dataset_that_went_is_said_once(tmp_path: Path, photos: Path, runs: Path) -> None:
    photos.rename(tmp_path / "away")
    result = invoke("report", "--runs", runs, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    page = Page((tmp_path / "report.html").read_text())
    assert not images_of(page)
    assert " ".join(page.texts).count("No image can be shown: no such file or folder") == 2
    assert "--data FOLDER says where they are now" in result.stderr
    found = invoke("report", "--runs", runs, "--out", tmp_path, "--data", tmp_path / "away")
    assert found.exit_code == 0, found.output
    assert "not shown" not in found.stderr
    next_command = found.stderr.splitlines()[-1]
    assert next_command.startswith("next: repro probe run-")
    assert next_command.endswith(f" --data {tmp_path / 'away'} --runs {runs}")
    assert images_of(Page((tmp_path / "report.html").read_text()))


@pytest.mark.parametrize(
    ("form", "literal"),
    [
        ("terminal", HOSTILE),
        ("markdown", "\\<script\\>alert(1)\\</script\\>"),
        ("latex", "\\ensuremath{<}script\\ensuremath{>}alert(1)"),
        ("html", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("csv", HOSTILE),
    ],
)
def test_the_study_shows_hostile_names_literally(runs: Path, form: str, literal: str) -> None:
    result = invoke("study", "shape-size", "--runs", runs, "--format", form)
    assert result.exit_code == 0, result.output
    assert literal in result.stdout
    if form == "html":
        Page(result.stdout)
        assert "<script" not in result.stdout


def test_the_csv_opens_as_text_and_the_json_parses(tmp_path: Path, runs: Path) -> None:
    out = tmp_path / "study.csv"
    assert invoke("study", "shape-size", "--runs", runs, "--format", "csv", "--out", out).exit_code == 0
    rows = list(csv.reader(StringIO(out.read_text())))
    assert {len(row) for row in rows} == {len(rows[0])}
    assert not any(cell.startswith(("=", "@")) for row in rows for cell in row)
    values = json.loads(invoke("study", "shape-size", "--runs", runs, "--format", "json").stdout)
    assert {run["model"]: run["all errors"]["n"] for run in values["runs"]} == {HOSTILE: 6, FORMULA: 5}
    for run in values["runs"]:
        genuine = run["genuine errors"]
        assert sum(share["n"] for share in genuine["causes"].values()) == genuine["n"]
    assert "talk's example, water bottle taken for lipstick: 11 of 11" in " ".join(
        values["summary"]["Which confusions"]
    )


def test_the_csv_has_every_difference_where_the_table_is_cut(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("repro.reporting.study.MOST_DIFFERENCES", 1)
    asked = ("study", "shape-size", "--runs", runs, "--format")
    found = json.loads(invoke(*asked, "json").stdout)["differences"]
    n = sum(one["scope"] == "genuine errors" for one in found)
    assert n > 1
    assert len(list(csv.reader(StringIO(invoke(*asked, "csv").stdout)))) == 1 + n
    assert f"{n - 1:,} more comparisons, of larger p, are in --format json." in invoke(*asked, "html").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["study", "shapesize"], "unknown study 'shapesize'; did you mean shape-size?"),
        (["study", "shape-size", "nothing"], "no run is meant by 'nothing'"),
        (["study", "shape-size", "--models", "nothing"], "no run of 'nothing'"),
        (["report", "nothing"], "no run is meant by 'nothing'"),
        (["report", "--out", "a.pdf"], "--out a.pdf ends in '.pdf'"),
        (["study", "shape-size", "--out", "."], "--out . is a folder, not a file"),
    ],
)
def test_what_cannot_be_meant_ends_with_one_line(runs: Path, arguments: list[str], said: str) -> None:
    result = invoke(*arguments, "--runs", runs)
    assert result.exit_code == 2
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert said in line
    assert not result.stdout


def test_runs_of_other_images_and_runs_without_errors_are_refused(tmp_path: Path, runs: Path) -> None:
    photograph(tmp_path / "more")
    (plain,) = (tmp_path / "more").glob("*/plain.JPEG")
    plain.rename(plain.with_name("other.JPEG"))
    other = write_run(runs, tmp_path / "more", "other", [True, False] * 3)
    first = list_runs(runs)[0].run_id
    result = invoke("study", "shape-size", first, other.run_id, "--runs", runs)
    assert result.exit_code == 2 and "runs of different images" in result.stderr
    right = write_run(tmp_path / "right", tmp_path / "more", "right", [False] * 6)
    result = invoke("report", right.run_id, "--runs", tmp_path / "right", "--out", tmp_path)
    assert result.exit_code == 4 and "no errors: every image" in result.stderr
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize("verb", [["study", "shape-size"], ["errors"], ["report"], ["runs"], ["claims"]])
def test_a_renamed_folder_is_told_and_stops_nothing(tmp_path: Path, runs: Path, verb: list[str]) -> None:
    first = list_runs(runs)[0]
    (runs / first.run_id).rename(runs / "old")
    out = ["--out", tmp_path / "out"] if verb == ["report"] else []
    result = invoke(*verb, "--runs", runs, *out)
    assert result.exit_code == 0, result.output
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("left out: ")]
    assert line == f"left out: old (it was moved: its record is that of {first.run_id})"
    assert first.run_id not in result.stdout


def test_imported_predictions_are_studied_and_recounted(tmp_path: Path, shared_data: Path) -> None:
    """Published predictions of two real models; the counts are those of a recount from ReaL's own list."""
    for model, mixer in (("ResNet50", "convolution"), ("ViT", "attention")):
        file = shared_data / "predictions" / f"{model}.csv"
        imported = invoke(
            "import-predictions", file, "--model", model, "--token-mixer", mixer, "--runs", tmp_path
        )
        assert imported.exit_code == 0, imported.output
    values = json.loads(invoke("study", "shape-size", "--runs", tmp_path, "--format", "json").stdout)
    real = load_real_labels()
    assert real is not None
    acceptable: dict[int, set[int]] = {}
    for image, label in zip(real.images.tolist(), real.classes.tolist(), strict=True):
        acceptable.setdefault(image, set()).add(label)
    for told, record in zip(values["runs"], list_runs(tmp_path), strict=True):
        rows = read_rows(tmp_path / record.run_id, record, ["image_id", "label", "top5"]).to_pylist()
        wrong = [row for row in rows if row["top5"][0] != row["label"]]
        known = [acceptable.get(int(row["image_id"][-8:]) - 1, set()) for row in wrong]
        causes = told["all errors"]["causes"]
        assert told["all errors"]["n"] == len(wrong)
        assert causes["acceptable label"]["n"] == sum(
            row["top5"][0] in labels for row, labels in zip(wrong, known, strict=True)
        )
        assert causes["no valid label"]["n"] == sum(not labels for labels in known)
    assert values["n_without_valid_label"] == 50_000 - len(acceptable)
    result = invoke("report", "--runs", tmp_path, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    page = Page((tmp_path / "out" / "report.html").read_text())
    assert not images_of(page)
    assert " ".join(page.texts).count("Imported predictions: no images came with them") == 2
