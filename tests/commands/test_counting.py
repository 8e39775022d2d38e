"""The numbers of a table are counted from the rows, whatever the record beside them says."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from repro.commands import app
from repro.results.store import RunFolder
from tests.analysis.records import run_of, with_summary
from tests.analysis.rows import rows_of


def test_a_record_edited_by_hand_changes_no_number(tmp_path: Path) -> None:
    record = with_summary(run_of("poolformer_s24", 2, n=4), top1_correct=4)
    folder = RunFolder(tmp_path / record.run_id, record.fingerprint)
    folder.finish(rows_of([0, 1, 2, 0]), record)
    shown = CliRunner().invoke(
        app, ["compare-table", "--table", "slide19", "--format", "json", "--runs", str(tmp_path)]
    )
    assert shown.exit_code == 0, shown.output
    rows = {row["model"]: row for row in json.loads(shown.stdout)["rows"]}
    assert rows["poolformer_s24"]["top1_pct"]["measured"] == 50.0
