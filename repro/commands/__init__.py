"""The verbs of `repro`: each parses, calls one function, prints, and names the next command."""

from __future__ import annotations

from repro.commands import claims, demo, doctor, evaluate, explain, show
from repro.commands.door import app

__all__ = ["app", "main"]

app.command("demo")(demo.demo)
app.command("doctor")(doctor.doctor)
app.command("eval")(evaluate.eval_)
app.command("fetch")(evaluate.fetch)
app.command("compare-table")(show.compare_table)
app.command("claims")(claims.claims)
app.command("explain")(explain.explain)
app.command("probe")(explain.probe)
app.command("models")(show.models)
app.command("complexity")(show.complexity)
app.command("runs")(show.runs)


def main() -> None:
    """The entry point of `repro`."""
    app()
