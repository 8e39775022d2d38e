"""The ledger as people and programs get it: `repro claims`."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from repro.commands import app
from repro.results.store import RunFolder
from tests.analysis.records import run_of
from tests.analysis.rows import rows_of
from tests.reporting.snapshots import assert_snapshot


def invoke(runs: Path, *arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["claims", "--runs", str(runs), *map(str, arguments)])


def test_the_talks_ledger(tmp_path: Path) -> None:
    assert_snapshot("ledger-talk.txt", invoke(tmp_path, "--source", "talk").stdout)


def test_a_claims_page(tmp_path: Path) -> None:
    assert_snapshot("ledger-claim.txt", invoke(tmp_path, "--explain", "talk-12-macs-deit").stdout)


def test_what_an_encoding_lacks_is_written_out(tmp_path: Path) -> None:
    """Not where CliRunner stands in for the terminal: it is the program that says so."""
    command = [sys.executable, "-m", "repro", "claims", "--runs", str(tmp_path), "--source", "talk"]
    environment = os.environ | {"PYTHONIOENCODING": "latin-1"}
    answer = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert rb"\u2212" in answer.stdout  # the minus of a difference


@pytest.mark.parametrize("form", ["terminal", "markdown", "latex", "csv", "html", "json"])
def test_every_form_holds_every_claim_of_every_source(tmp_path: Path, form: str) -> None:
    result = invoke(tmp_path, "--format", form)
    assert result.exit_code == 0, result.output
    for claim in ("talk-14-identity", "paper-t4-pvt-tiny-miou", "paper-v1-t2", "baselines-table"):
        assert claim.replace("_", r"\_") in result.stdout.replace("{-}", "-").replace("\\-", "-")


def test_counts_by_verdict_are_those_of_the_lines(tmp_path: Path) -> None:
    told = json.loads(invoke(tmp_path, "--format", "json").stdout)
    rows = list(csv.DictReader(io.StringIO(invoke(tmp_path, "--format", "csv").stdout)))
    assert told["n"] == len(told["claims"]) == len(rows) == sum(told["counts"].values())
    assert told["counts"] == dict(Counter(row["Verdict"] for row in rows))


def test_the_last_line_names_the_next_command(tmp_path: Path) -> None:
    runs = f"--runs {tmp_path}"
    talk = invoke(tmp_path, "--source", "talk").stderr.splitlines()[-1]
    models = "poolformer_s24,deit_s,resmlp_s24,rsb_resnet34"
    assert talk == f"next: repro eval --models {models} --data IMAGENET {runs}"
    settled = invoke(tmp_path, "--source", "paper-v1").stderr.splitlines()[-1]
    assert settled == f"next: repro claims --explain paper-v1-abstract-macs-deit {runs}"
    explained = invoke(tmp_path, "--explain", "talk-14-hybrid").stderr.splitlines()[-1]
    assert explained == f"next: repro claims {runs}"


def test_a_claim_as_json(tmp_path: Path) -> None:
    claim = json.loads(invoke(tmp_path, "--explain", "talk-12-top1-deit", "--format", "json").stdout)
    assert claim["verdict"] == "not run yet"
    assert claim["models_to_run"] == ["poolformer_s24", "deit_s"]
    assert (claim["source"], claim["where"], claim["stated"]) == ("talk", "Slide 12", "+0.5")


def test_a_run_counts_by_its_rows(tmp_path: Path) -> None:
    record = run_of("deit_s", 3, n=4)
    RunFolder(tmp_path / record.run_id, record.fingerprint).finish(rows_of([0, 1, 2, 0]), record)
    claim = json.loads(invoke(tmp_path, "--explain", "talk-12-deit_s-top1", "--format", "json").stdout)
    assert (claim["verdict"], claim["found"]) == ("not run yet", "50.000")
    assert "4 of 50,000 images" in claim["reason"]


EXTRA = """
key = "mine"
title = "My paper"
authors = "Me"
version = "1"
macs_counter = "fvcore"
otherwise = "paper"

[[claim]]
id = "mine-ratio"
says = "DeiT-B needs 282 % more MACs than DeiT-S"
where = "Text"
kind = "ratio"
quantity = "macs_g"
subject = "MODEL"
reference = "deit_s"
more_pct = "280"
"""


def test_a_file_of_claims_more(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(EXTRA.replace("MODEL", "deit_b"), encoding="utf-8")
    result = invoke(tmp_path, "--file", path, "--source", "mine", "--format", "json")
    assert result.exit_code == 0, result.output
    (claim,) = json.loads(result.stdout)["claims"]
    assert claim["verdict"] == "holds"
    assert claim["reason"].startswith("as printed 17.5/4.6 − 1 = 280.4 %")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--source", "slides"], "unknown source 'slides'; there are paper, baselines, "),
        (["--explain", "talk-12-mac"], "unknown claim 'talk-12-mac'; did you mean talk-12-macs-deit"),
        (["--explain", "talk-14-identity", "--source", "paper"], "unknown claim 'talk-14-identity'"),
        (["--file", "nowhere.toml"], "nowhere.toml: No such file or directory"),
    ],
)
def test_what_cannot_be_meant_is_told(tmp_path: Path, arguments: list[str], words: str) -> None:
    result = invoke(tmp_path, *arguments)
    assert result.exit_code == 2
    assert words in result.stderr


def test_a_malformed_file_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(EXTRA.replace("MODEL", "deit_x"), encoding="utf-8")
    result = invoke(tmp_path, "--file", path)
    assert result.exit_code == 2
    told, hint = result.stderr.splitlines()[0], result.stderr.splitlines()[1:]
    assert told.startswith(f"error: {path}: claim mine-ratio: unknown model 'deit_x'; did you mean deit_s")
    assert len(hint) <= 1
