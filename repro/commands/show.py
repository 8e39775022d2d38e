"""The verbs that show what is known: `repro models`, `runs`, `compare-table`."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from repro.catalogue.models import find_model, load_models
from repro.catalogue.tables import find_table
from repro.commands.door import RunsOption, tell
from repro.exceptions import UsageError
from repro.results.runs import list_runs, runs_folder
from repro.specs import PROTOCOL_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from repro.reporting.table import Table
    from repro.results.record import Complexity, RunRecord
    from repro.specs import ModelSpec


class Format(StrEnum):
    TERMINAL = "terminal"
    MARKDOWN = "markdown"
    LATEX = "latex"
    CSV = "csv"
    HTML = "html"


class FormatWithJson(StrEnum):
    TERMINAL = "terminal"
    MARKDOWN = "markdown"
    LATEX = "latex"
    CSV = "csv"
    HTML = "html"
    JSON = "json"


FormatOption = Annotated[Format, typer.Option("--format", help="Form of the table.")]
TableOption = Annotated[
    str, typer.Option(help="Which printed table: paper, table1, slide12, slide19, baselines, …")
]
ProtocolOption = Annotated[
    str, typer.Option(help="authors: judged by the printed Top-1; timm: by what timm publishes.")
]


def models(form: FormatOption = Format.TERMINAL) -> None:
    """List the models.

    Names, token mixer, params, MACs, printed and published Top-1, where the weights are.

    Example: repro models
    """
    from repro.reporting.models import models_table

    write_table(models_table(load_models()), form)
    tell("next: repro eval --models poolformer_s24,deit_s --data IMAGENET")


def runs(form: FormatOption = Format.TERMINAL, folder: RunsOption = None) -> None:
    """List the finished runs.

    Example: repro runs
    """
    from repro.reporting.runs import runs_table

    records = list_runs(runs_folder(folder))
    if not records:
        raise UsageError(f"no runs in {runs_folder(folder)}", hint="repro demo")
    write_table(runs_table(records), form)
    tell("next: repro compare-table")


def compare_table(
    table: TableOption = "paper",
    protocol: ProtocolOption = "authors",
    form: Annotated[
        FormatWithJson, typer.Option("--format", help="Form of the table.")
    ] = FormatWithJson.TERMINAL,
    folder: RunsOption = None,
) -> None:
    """Print the paper's table and what was measured.

    Every row has a verdict and its reason. Params and MACs are counted here where they have not
    been yet; Top-1 comes from the runs.

    Example: repro compare-table --table slide12 --format markdown
    """
    show_comparison(table, protocol, runs_folder(folder), form)


def show_comparison(table: str, protocol: str, folder: Path, form: FormatWithJson) -> None:
    """Counts what is not counted yet, compares, prints, and names the command that runs the rest."""
    import json

    from repro.analysis.compare import compare_table as compare
    from repro.reporting.comparison import comparison_json, comparison_table

    printed = find_table(table)
    check_protocol(protocol)
    records = finished_runs(folder)
    specs = [spec for row in printed.rows if (spec := find_model(row.model)).timm_name]
    counted = {record.model.name: record.complexity for record in records}
    comparison = compare(printed, records, counted | count_complexities(specs, folder), protocol)
    if form is FormatWithJson.JSON:
        text = json.dumps(comparison_json(comparison), indent=1, ensure_ascii=False, allow_nan=False)
        typer.echo(text)
    else:
        write_table(comparison_table(comparison), Format(form))
    if comparison.command:
        tell(f"next: {comparison.command}")


def check_protocol(name: str) -> None:
    if name not in PROTOCOL_NAMES:
        raise UsageError(f"unknown protocol {name!r}; there are {', '.join(PROTOCOL_NAMES)}")


def finished_runs(folder: Path) -> list[RunRecord]:
    """The records of the finished runs, with the counts that their rows give now."""
    return [_recounted(record, folder) for record in list_runs(folder)]


def _recounted(record: RunRecord, folder: Path) -> RunRecord:
    """The record with the counts that its rows, verified, give now."""
    from repro.results.store import read_rows
    from repro.results.summary import recount

    rows = read_rows(folder / record.run_id, record, ["status", "rank"])
    return replace(record, summary=recount(record.summary, rows))


def count_complexities(specs: Iterable[ModelSpec], folder: Path) -> dict[str, Complexity]:
    """The counts by model name; those kept from before cost no import of torch."""
    from repro.results.complexities import kept_complexity

    counted = {spec.name: kept_complexity(spec, folder) for spec in specs}
    missing = [spec for spec in specs if counted[spec.name] is None]
    if missing:
        from repro.commands.progress import track_on_terminal
        from repro.evaluation.complexity import count_complexity

        for spec in track_on_terminal(missing, "counting params and MACs"):
            counted[spec.name] = count_complexity(spec, folder)
    return {name: found for name, found in counted.items() if found is not None}


def write_table(table: Table, form: Format) -> None:
    """Prints `table` to stdout in the form asked for."""
    from repro.reporting.table import FORMATS, print_table

    if form is Format.TERMINAL:
        print_table(table)
    else:
        typer.echo(FORMATS[form](table), nl=False)
