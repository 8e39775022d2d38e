"""The verbs that show what is known: `repro models`, `runs`, `compare-table`."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from repro.catalogue.models import find_model, load_models, require_protocol
from repro.catalogue.tables import find_table
from repro.commands.door import RunsOption, said_again, tell
from repro.exceptions import InvalidRun, UsageError
from repro.results.runs import find_finished, list_runs, moved_runs, no_runs, runs_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from repro.analysis.metrics import RealCount
    from repro.analysis.test_sets import RealCounts
    from repro.reporting.table import Table
    from repro.results.record import Complexity, RunRecord
    from repro.specs import ModelSpec

TEST_SETS = "test-sets"
"""The one table of `compare-table` that no paper prints."""


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

    finished = find_finished(runs_folder(folder))
    if finished.records:
        tell_moved(finished.moved)
        write_table(runs_table(finished.records), form)
    *others, last = finished.damaged.values() or [None]
    for reason in others:
        tell(f"error: {reason}")
    if last:
        raise last
    if not finished.records:
        raise no_runs(runs_folder(folder))
    tell(f"next: repro compare-table{said_again(runs=folder)}")


def compare_table(
    table: Annotated[
        str,
        typer.Option(
            help="Which printed table: paper, table1, slide12, slide19, baselines, …; or test-sets."
        ),
    ] = "paper",
    protocol: Annotated[
        str | None,
        typer.Option(
            help="authors: judged by the printed Top-1; timm: by what timm publishes.  "
            "[default: authors; timm for test-sets]",
            show_default=False,
        ),
    ] = None,
    form: Annotated[
        FormatWithJson, typer.Option("--format", help="Form of the table.")
    ] = FormatWithJson.TERMINAL,
    folder: RunsOption = None,
) -> None:
    """Print the paper's table and what was measured.

    Every row has a verdict and its reason. Params and MACs are counted here where they have not
    been yet; Top-1 comes from the runs. test-sets has ImageNet-V2, -A, -R, -Sketch and ReaL's labels.

    Example: repro compare-table --table slide12 --format markdown
    """
    if table == TEST_SETS:
        show_test_sets(protocol, folder, form)
    else:
        show_comparison(table, protocol or "authors", folder, form)


def show_comparison(table: str, protocol: str, runs: Path | None, form: FormatWithJson) -> None:
    """Counts what is not counted yet, compares, prints, and names the command that runs the rest."""
    from repro.analysis.compare import compare_table as compare
    from repro.reporting.comparison import comparison_json, comparison_table

    printed, folder = find_table(table, TEST_SETS), runs_folder(runs)
    require_protocol(protocol)
    tell_left_out(folder)
    records = finished_runs(folder)
    specs = [spec for row in printed.rows if (spec := find_model(row.model)).timm_name]
    counted = {record.model.name: record.complexity for record in records if record.complexity}
    comparison = compare(printed, records, counted | count_complexities(specs, folder), protocol)
    write_values(comparison_json(comparison), comparison_table(comparison), form)
    if comparison.command:
        tell(f"next: {comparison.command}{said_again(runs=runs)}")


def show_test_sets(protocol: str | None, runs: Path | None, form: FormatWithJson) -> None:
    """Lays what timm publishes for other test sets beside the runs on them."""
    from repro.analysis.test_sets import PROTOCOL_NAME, compare_test_sets
    from repro.reporting.test_sets import sets_json, sets_table

    if protocol not in (None, PROTOCOL_NAME):
        raise UsageError(
            f"--protocol {protocol}: figures on other test sets are published by timm alone",
            hint=f"repro compare-table --table {TEST_SETS}",
        )
    folder = runs_folder(runs)
    tell_left_out(folder)
    records = finished_runs(folder)
    comparison = compare_test_sets(records, _real_counts(records, folder))
    write_values(sets_json(comparison), sets_table(comparison), form)
    if comparison.command:
        tell(f"next: {comparison.command}{said_again(runs=runs)}")


def _real_counts(records: Iterable[RunRecord], folder: Path) -> RealCounts:
    """What ReaL's labels say of each run on ImageNet val; nothing where they do not tell."""
    from repro.analysis.metrics import real_accuracy
    from repro.datasets.dataset import IMAGENET_VAL
    from repro.doctor.real import load_real_labels
    from repro.results.store import read_rows

    real = load_real_labels()
    counts: dict[str, dict[int, RealCount]] = {}
    for record in records:
        if real is None or record.dataset.name != IMAGENET_VAL or record.summary.invalid:
            continue
        rows = read_rows(folder / record.run_id, record, ["image_id", "status", "top5"])
        for k in (1, 5):
            with suppress(InvalidRun):
                counts.setdefault(record.run_id, {})[k] = real_accuracy(rows, real, k)
    return counts


def write_json(values: Mapping[str, Any]) -> None:
    """Prints `values` as JSON, without NaN."""
    import json

    typer.echo(json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False))


def write_values(values: Mapping[str, Any], table: Table, form: FormatWithJson) -> None:
    """Prints as JSON the values, in any other form the table."""
    if form is FormatWithJson.JSON:
        write_json(values)
    else:
        write_table(table, Format(form))


def tell_left_out(folder: Path) -> None:
    """Says which runs are there, but not under their own names."""
    tell_moved(moved_runs(folder))


def tell_moved(moved: Mapping[str, str]) -> None:
    """The same where they are known: why, by the names of their folders."""
    for name, why in moved.items():
        tell(f"left out: {name} ({why})")


def finished_runs(folder: Path) -> list[RunRecord]:
    """The records of the finished runs, with the counts that their rows give now."""
    return [_recounted(record, folder) for record in list_runs(folder)]


def _recounted(record: RunRecord, folder: Path) -> RunRecord:
    """The record with the counts that its rows, verified, give now."""
    from repro.results.store import read_rows
    from repro.results.summary import recount

    rows = read_rows(folder / record.run_id, record, ["status", "rank", "top5"])
    return replace(record, summary=recount(record.summary, rows))


def count_complexities(specs: Iterable[ModelSpec], folder: Path) -> dict[str, Complexity]:
    """The counts by model name; those kept from before cost no import of torch."""
    from repro.results.complexities import kept_complexity

    counted = {spec.name: kept_complexity(spec, folder) for spec in specs}
    missing = [spec for spec in specs if counted[spec.name] is None]
    if missing:
        from repro.commands.progress import track_on_terminal
        from repro.evaluation.complexity import count_complexity

        if len(missing) > 1:
            tell(f"counting params and MACs of {len(missing)} networks, once for {folder}")
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
