"""The verb behind `make reports`: `repro reports`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from repro.commands.door import tell
from repro.exceptions import StorageError


def reports(
    folder: Annotated[Path, typer.Argument(metavar="[FOLDER]", help="Where they are written.")] = Path(
        "reports"
    ),
) -> None:
    """Write the reports that need no run.

    The printed tables beside what is counted, the ledger of claims, accuracy against MACs and against
    parameters.

    Example: repro reports reports
    """
    from repro.reporting.reports import build_reports
    from repro.results.atomic import write_atomically

    try:
        for name, content in build_reports():
            write_atomically(folder / name, content)
            typer.echo(folder / name)
    except StorageError as error:
        raise StorageError(
            str(error), hint="make room, or choose another folder: repro reports FOLDER"
        ) from error
    tell("next: git diff --stat reports")
