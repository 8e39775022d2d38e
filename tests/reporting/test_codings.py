"""The tables of the readers' verdicts say what was counted, and take no note for a formula."""

from __future__ import annotations

import csv
from datetime import UTC, datetime

from repro.analysis.agreement import agreement, agreements, verdicts_by_cause
from repro.reporting.codings import (
    agreements_table,
    causes_table,
    export_table,
    progress_table,
    verdicts_table,
)
from repro.reporting.table import FORMATS, Table
from repro.results.codings import Coding, Codings

WHEN = datetime(2026, 8, 1, 12, 30, 7, tzinfo=UTC)

SAID = {
    "Ada": ["shape", "shape", "size", "label wrong", "other"],
    "Bob": ["shape", "size", "size", "label wrong"],
    "Cleo": ["", "", "", "", "", "shape"],
}
CODINGS = Codings(
    tuple(
        Coding(reader, f"i{n}", 898, 440, verdict, "=1+1, \nsaid" if n == 4 else "", WHEN)
        for reader, verdicts in SAID.items()
        for n, verdict in enumerate(verdicts)
    ),
    n_foreign=2,
)


def shown(table: Table) -> list[list[str]]:
    return list(csv.reader(FORMATS["csv"](table).splitlines()))


def test_how_far_each_reader_is() -> None:
    table = progress_table(CODINGS, 200)
    header, ada, bob, cleo = shown(table)
    assert ada == ["Ada", "5", "2.5", "2", "1", "0", "0", "1", "1", "2026-08-01 12:30"]
    assert (bob[:3], cleo[:3]) == (["Bob", "4", "2.0"], ["Cleo", "1", "0.5"])
    assert len(header) == len(ada)
    assert table.notes == ("2 rows are left out: of no error of this run.",)


def test_how_far_every_two_agree() -> None:
    _, *rows = shown(agreements_table(agreements(CODINGS)))
    # Of four three alike (0.75); by chance 0.5 * 0.25 + 0.25 * 0.5 + 0.25 * 0.25 = 0.3125.
    assert rows[0][:6] == ["Ada", "Bob", "4", "3", "75.0", f"{(0.75 - 0.3125) / (1 - 0.3125):.2f}"]
    assert " to " in rows[0][6]
    assert rows[1][2:] == ["0", "0", "", "", "", "no kappa: they have coded no error in common"]


def test_agreement_in_all_is_told_without_an_interval() -> None:
    alike = Codings(tuple(one for one in CODINGS.log if one.image_id in {"i0", "i2"}))
    _, row = shown(agreements_table(agreements(alike)))
    assert row[4:] == ["100.0", "1.00", "", "no interval: the standard error is 0 here"]


def test_what_the_one_said_and_what_the_other() -> None:
    header, *rows = shown(verdicts_table(agreement(CODINGS, "Ada", "Bob")))
    assert header == ["Ada", "shape", "size", "context", "fine-grained", "label wrong", "other", "all"]
    assert rows[0] == ["shape", "1", "1", "", "", "", "", "2"]
    assert rows[-1] == ["all", "1", "2", "0", "0", "1", "0", "4"]


def test_verdicts_beside_causes() -> None:
    causes = {"i0": "shape candidate", "i1": "size candidate"}
    table = causes_table(verdicts_by_cause(CODINGS.of_reader("Ada").values(), causes), "Ada")
    assert table.title == "Verdicts of Ada by automatic cause: 2 errors"
    by_verdict = {row[0]: dict(zip(shown(table)[0], row, strict=True)) for row in shown(table)[1:]}
    assert by_verdict["shape"]["shape candidate"] == by_verdict["shape"]["size candidate"] == "1"
    assert by_verdict["all"]["all"] == "2"


def test_the_export_has_names_and_causes_and_no_formula() -> None:
    header, *rows = shown(export_table({"a-run": CODINGS}, {"a-run": {"i4": "unexplained"}}))
    assert len(rows) == 10
    (noted,) = (dict(zip(header, row, strict=True)) for row in rows if row[1] == "i4" and row[8])
    assert noted == {
        "run": "a-run",
        "image_id": "i4",
        "label": "898",
        "true class": "water bottle",
        "predicted": "440",
        "predicted class": "beer bottle",
        "reader": "Ada",
        "verdict": "other",
        "note": "'=1+1, \\u000asaid",
        "automatic cause": "unexplained",
        "at": "2026-08-01T12:30:07+00:00",
    }


def test_every_form_takes_them() -> None:
    tables = (progress_table(CODINGS, 9), agreements_table([]), verdicts_table(agreements(CODINGS)[0]))
    for table in tables:
        assert all(form(table) for form in FORMATS.values())
