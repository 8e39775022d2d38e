"""The verb that lays runs beside each other, image by image: `repro compare`."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from repro.commands.door import RunsOption, said_again, tell
from repro.commands.show import Format, FormatWithJson, write_table
from repro.exceptions import InvalidRun, UsageError
from repro.results.choice import refuse_other_classes
from repro.results.runs import find_run, read_record, runs_folder


def compare(
    names: Annotated[
        list[str],
        typer.Argument(metavar="RUN RUN...", help="Ids from `repro runs`, their beginnings, or paths."),
    ],
    common: Annotated[
        bool, typer.Option("--common", help="Compare on the images that both have, where they differ.")
    ] = False,
    bins: Annotated[bool, typer.Option("--bins", help="Also the bins of the calibration error.")] = False,
    form: Annotated[
        FormatWithJson,
        typer.Option("--format", help="Form of the tables; csv: the differences alone, or --bins."),
    ] = FormatWithJson.TERMINAL,
    folder: RunsOption = None,
) -> None:
    """Compare runs image by image.

    Accuracy by ImageNet's and by ReaL's labels, calibration; and for every two runs the difference with its
    interval, McNemar's exact test, corrected for the number of comparisons.

    Example: repro compare poolformer_s24 deit_s
    """
    import json

    from repro.analysis.run_metrics import compare_pairs, measure_run
    from repro.reporting.paired import bins_table, comparison_json, metrics_table, pairs_table
    from repro.results.store import read_rows

    paths = [find_run(runs_folder(folder), name) for name in names]
    found = {(record := read_record(path / "run.json")).run_id: (record, path) for path in paths}
    records = {run_id: record for run_id, (record, _) in found.items()}
    if len(records) < 2:
        raise UsageError(
            f"only one run is named: {', '.join(records)}; it takes two or more", hint="repro runs"
        )
    for record in records.values():
        if record.summary.invalid:
            raise InvalidRun(f"{record.run_id} is INVALID: {record.summary.invalid}")
    refuse_other_classes(records)
    rows = {run_id: read_rows(path, record) for run_id, (record, path) in found.items()}
    pairs = compare_pairs(rows, common)
    metrics = [measure_run(run_id, of_run) for run_id, of_run in rows.items()]
    if form is FormatWithJson.JSON:
        values = comparison_json(metrics, pairs)
        typer.echo(json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False))
    else:
        tables = [
            metrics_table(metrics, records),
            pairs_table(pairs),
            *([bins_table(metrics)] if bins else []),
        ]
        if form is FormatWithJson.CSV:  # a file of two tables is none
            tables = tables[2:] or tables[1:]
        for place, table in enumerate(tables):
            if place:
                typer.echo()
            write_table(table, Format(form))
    same_images = len({tuple(of_run["image_id"].to_pylist()) for of_run in rows.values()}) == 1
    again = [shlex.quote(name) for name in (names if same_images else names[:1])]
    tell(f"next: repro errors {' '.join(dict.fromkeys(again))}{said_again(runs=folder)}")
