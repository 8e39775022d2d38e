"""The verbs of `repro`: each parses, calls one function, prints, and names the next command."""

from __future__ import annotations

import gc
import sys
from io import TextIOWrapper

from repro.commands import (
    claims,
    compare,
    complexity,
    demo,
    difference,
    doctor,
    error_browser,
    errors,
    evaluate,
    exchange,
    explain,
    fetch,
    plot,
    report,
    reports,
    show,
    study,
    train,
    verify,
)
from repro.commands.door import app

__all__ = ["app", "main"]

app.command("demo")(demo.demo)
app.command("doctor")(doctor.doctor)
app.command("eval")(evaluate.eval_)
app.command("fetch")(fetch.fetch)
app.command("compare-table")(show.compare_table)
app.command("plot")(plot.plot)
app.command("claims")(claims.claims)
app.command("verify")(verify.verify)
app.command("compare")(compare.compare)
app.command("explain-difference")(difference.explain_difference)
app.command("errors")(errors.errors)
app.command("explain")(explain.explain)
app.command("probe")(explain.probe)
app.add_typer(study.study, name="study")
app.command("train")(train.train)
app.command("report")(report.report)
app.command("app")(error_browser.app)
app.command("models")(show.models)
app.command("complexity")(complexity.complexity)
app.command("runs")(show.runs)
app.command("import-predictions")(exchange.import_predictions)
app.command("export-predictions")(exchange.export_predictions)
app.command("reports", hidden=True)(reports.reports)


COLLECT_AFTER = 1_000_000
"""Objects more than before, for Python to look for cycles: imports make half a million and rows many, none of
them in cycles, and looking through them again and again takes a sixth of a start."""


def main() -> None:
    """The entry point of `repro`."""
    gc.set_threshold(COLLECT_AFTER)
    write_out_foreign_characters()
    app()


def write_out_foreign_characters() -> None:
    """Has stdout and stderr write the code of a character that their encoding lacks, and not fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # the only one that can be told so
            stream.reconfigure(errors="backslashreplace")
