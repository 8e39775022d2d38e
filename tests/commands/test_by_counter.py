"""`repro complexity --by-counter`: who counts what, and which version of the paper it agrees with."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from typer.testing import CliRunner

from repro.commands import app


def test_each_counter_names_what_it_skips_and_the_version_it_agrees_with(tmp_path: Path) -> None:
    arguments = ["complexity", "poolformer_s12", "--by-counter", "--runs", str(tmp_path), "--format", "csv"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    rows = {row["Counter"]: row for row in csv.DictReader(io.StringIO(result.stdout))}
    fvcore = rows["fvcore, with a rule for fused attention"]
    assert (fvcore["MACs (G)"], fvcore["Agrees with"]) == ("1.823", "paper")
    assert "12 aten::avg_pool2d" in fvcore["Note"]
    first_version = rows["printed by paper-v1"]
    assert (first_version["MACs (G)"], first_version["Agrees with"]) == ("2.0", "no counter tried")
    assert first_version["Note"].startswith("superseded")


def test_the_first_versions_macs_are_superseded_and_no_failure(tmp_path: Path) -> None:
    arguments = ["complexity", "poolformer_s24", "--by-counter", "--runs", str(tmp_path), "--format", "csv"]
    rows = list(csv.DictReader(io.StringIO(CliRunner().invoke(app, arguments).stdout)))
    printed = [row for row in rows if row["MACs (G)"] == "3.6"]
    assert [row["Counter"] for row in printed] == ["printed by paper-v1", "printed by talk"]
    for row in printed:
        assert row["Agrees with"] == "no counter tried"
        assert "superseded" in row["Note"]
        assert "no counter tried gives 3.6" in row["Note"]
    assert not any(word in str(rows).lower() for word in ("differ", "fail", "wrong"))
