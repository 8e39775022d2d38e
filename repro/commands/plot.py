"""The verb that draws: `repro plot`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from repro.catalogue.models import require_protocol
from repro.catalogue.tables import find_table
from repro.commands.door import RunsOption, said_again, tell, write_out
from repro.commands.show import ProtocolOption, TableOption, finished_runs, tell_left_out
from repro.results.runs import runs_folder


class Cost(StrEnum):
    MACS = "macs"
    PARAMS = "params"


def plot(
    table: TableOption = "paper",
    against: Annotated[Cost, typer.Option(help="What accuracy is drawn against.")] = Cost.MACS,
    protocol: ProtocolOption = "authors",
    out: Annotated[
        Path | None,
        typer.Option(
            help="The file; its ending decides: .svg, .png or .html (interactive).  "
            "[default: accuracy-against-macs.svg]",
            show_default=False,
        ),
    ] = None,
    folder: RunsOption = None,
) -> None:
    """Draw accuracy against MACs or parameters.

    Printed points are hollow, with their Pareto front; measured ones filled, with their 95 % interval,
    and of comparable runs only.

    Example: repro plot --table paper --against params --out tradeoff.html
    """
    from repro.analysis.compare import compare_table
    from repro.analysis.measured import counts_of
    from repro.analysis.tradeoff import lay_tradeoff
    from repro.reporting.pictures import form_of

    path = out or Path(f"accuracy-against-{against}.svg")
    draw, printed = form_of(path), find_table(table)
    require_protocol(protocol)
    tell_left_out(runs_folder(folder))
    records = finished_runs(runs_folder(folder))
    tradeoff = lay_tradeoff(compare_table(printed, records, counts_of(records), protocol), against.value)
    for reason in tradeoff.left_out:
        tell(f"not drawn: {reason}")
    write_out(path, draw(tradeoff, "repro plot"))
    typer.echo(f"{path}: {len(tradeoff.printed)} printed points, {len(tradeoff.measured)} measured")
    command = tradeoff.comparison.command or f"repro compare-table{said_again(table=table)}"
    tell(f"next: {command}{said_again(runs=folder)}")
