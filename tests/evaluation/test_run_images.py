"""The images of a finished run are opened again with the labels that they were scored with."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from repro.evaluation.plan import Request
from repro.evaluation.run_images import open_run_images
from repro.results.record import RunRecord
from repro.specs import digest
from tests.evaluation.test_evaluate import request_, run
from tests.oracle import paint

__all__ = ["request_"]


@pytest.fixture
def flat(request_: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Request:
    """Images in one folder, and labels that are named relative to the folder one stands in."""
    lines = []
    (tmp_path / "flat").mkdir()
    for label in (3, 53):
        paint(label).save(tmp_path / "flat" / f"{label}.png")
        lines.append(f"{label}.png,{label}")
    (tmp_path / "labels.csv").write_text("\n".join(["name,label", *lines]))
    monkeypatch.chdir(tmp_path)
    given = Path("labels.csv")
    return replace(request_, data=tmp_path / "flat", labels=given, arguments=("--labels", str(given)))


def test_labels_are_found_from_another_working_directory(
    flat: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There, another file may be called alike."""
    record = run(flat)
    assert (record.summary.top1_correct, record.labels_passed) == (2, tmp_path / "labels.csv")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "labels.csv").write_text("name,label\n3.png,7\n53.png,7\n")
    monkeypatch.chdir(tmp_path / "elsewhere")
    opened = open_run_images(record, None, None)
    assert [sample.label for sample in opened.samples] == [3, 53]


def test_a_record_from_before_labels_were_kept_is_read(flat: Request) -> None:
    """It has what was typed."""
    values = json.loads(run(flat).to_json())
    del values["labels_file"], values["sha256"]
    old = RunRecord.from_json(json.dumps(values | {"sha256": digest(values)}), Path("run.json"))
    assert (old.labels_file, old.labels_passed) == ("", Path("labels.csv"))


def test_images_that_have_their_own_labels_name_no_file(request_: Request) -> None:
    assert run(request_).labels_passed is None
