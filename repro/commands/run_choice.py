"""Which runs a verb looks at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from repro.commands.door import tell
from repro.exceptions import UsageError
from repro.results.choice import RunChoice, choose_runs

RunsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="RUN...",
        help="From `repro runs`, or a path.  [default: every run on the newest one's images]",
    ),
]
ModelsOption = Annotated[
    str | None, typer.Option(metavar="A,B", help="All runs of these models instead.", show_default=False)
]


def tell_runs(choice: RunChoice) -> None:
    """Says on stderr which runs were taken, and which were left out."""
    n = len(choice.records)
    tell(f"{n} {'runs of the same images' if n > 1 else 'run'}: {', '.join(choice.records)}")
    for run, reason in choice.left_out.items():
        tell(f"left out: {run} ({reason})")


def choose_repeatable(folder: Path, names: Sequence[str], models: str | None) -> list[str]:
    """The runs whose images a verb shows to the network again: those named, else those made here.

    Raises:
        UsageError: there is none, or runs and models are both named.
    """
    if names and models is None:
        return list(names)
    records = choose_runs(folder, names, models).records
    made_here = [run for run, record in records.items() if not record.imported]
    if not made_here:
        raise UsageError(
            f"all runs were imported: there are no weights to repeat {next(iter(records))} by",
            hint="repro eval",
        )
    return made_here
