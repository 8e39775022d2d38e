"""The verb that holds the sources to their word: `repro claims`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from repro.commands.door import RunsOption, said_again, tell
from repro.commands.show import FormatWithJson, finished_runs, tell_left_out, write_values
from repro.results.runs import runs_folder


def claims(
    source: Annotated[
        str | None, typer.Option(help="Only one source's: paper, talk, …; none: all.", show_default=False)
    ] = None,
    explain: Annotated[
        str | None, typer.Option(metavar="CLAIM", help="One claim, with the working.", show_default=False)
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(help="A file of claims more, as those in repro/catalogue/papers.", show_default=False),
    ] = None,
    form: Annotated[
        FormatWithJson, typer.Option("--format", help="Form of the table.")
    ] = FormatWithJson.TERMINAL,
    folder: RunsOption = None,
) -> None:
    """Hold the papers and the talk to what they claim.

    Every claim has a verdict and its reason. Arithmetic, params and MACs are settled without weights;
    accuracy comes from the runs.

    Example: repro claims --source talk
    """
    from repro.analysis.ledger import build_ledger
    from repro.analysis.measured import catalogue_counts
    from repro.catalogue.claim_files import load_sources, load_sources_with
    from repro.reporting.ledger import claim_json, claim_table, ledger_json, ledger_table

    sources = load_sources_with(file) if file else load_sources()
    tell_left_out(runs_folder(folder))
    whole = build_ledger(sources, finished_runs(runs_folder(folder)), catalogue_counts())
    ledger = whole.of_source(source) if source else whole
    entry = ledger.find(explain) if explain else None
    values = claim_json(entry) if entry else ledger_json(ledger)
    write_values(values, claim_table(entry) if entry else ledger_table(ledger), form)
    explained = None if entry else ledger.entries[0].claim.id
    other = f"repro claims{said_again(explain=explained, file=file)}"
    tell(f"next: {(not entry and ledger.command) or other}{said_again(runs=folder)}")
