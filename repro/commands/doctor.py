"""The verb that examines a dataset before any model runs: `repro doctor`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from repro.commands.door import RunsOption, TestSetOption, path_or_address, said_again, tell
from repro.commands.show import Format, FormatOption, write_table
from repro.exceptions import DataRefused
from repro.results.runs import runs_folder


def doctor(
    data: Annotated[
        Path,
        typer.Argument(
            parser=path_or_address,
            metavar="DATA",
            help="A dataset, in any form that `repro eval --data` takes.",
        ),
    ],
    labels: Annotated[
        Path | None,
        typer.Option(help="Labels of a flat folder: a csv of name,label, or the ILSVRC2012 devkit's folder."),
    ] = None,
    test_set: TestSetOption = None,
    form: FormatOption = Format.TERMINAL,
    runs: RunsOption = None,
) -> None:
    """Examine a dataset before any model runs.

    Counts, label order, unreadable and duplicate images, signs of a resized copy. If nothing is refused, it
    writes the images' SHA-256 to a manifest, against which every later run is verified.

    Example: repro doctor /data/imagenet/val
    """
    from repro.commands.progress import ProgressBar
    from repro.datasets import open_dataset
    from repro.doctor.examine import examine
    from repro.reporting.findings import findings_table

    dataset = open_dataset(data, labels, test_set)
    with ProgressBar() as watcher:
        examination = examine(dataset, runs_folder(runs), watcher)
    write_table(findings_table(examination, None if form is Format.CSV else 10), form)
    options = said_again(labels=labels, test_set=test_set, runs=runs)
    where = shlex.quote(str(data))
    if examination.refused:
        raise DataRefused(
            f"{data}: refused for its {', '.join(examination.refused)}",
            hint=f"mend it, then repro doctor {where}{options}",
        )
    tell(f"manifest: {examination.manifest}")
    tell(f"next: repro eval --models poolformer_s24,deit_s --data {where}{options}")
