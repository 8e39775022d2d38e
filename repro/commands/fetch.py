"""`repro fetch`: weights, before there is no network."""

from __future__ import annotations

from typing import Annotated

import typer

from repro.commands.door import RunsOption, said_again, tell
from repro.results.runs import runs_folder


def fetch(
    models: Annotated[list[str], typer.Argument(help="Names from `repro models`, or timm:NAME.TAG.")],
    runs: RunsOption = None,
) -> None:
    """Bring weights here ahead of time.

    For machines without a network, such as a cluster's nodes. They are pinned in runs/weights.lock.

    Example: repro fetch poolformer_s24 deit_s
    """
    from repro.evaluation.plan import choose_models
    from repro.evaluation.weights import locate_weights
    from repro.results.weights_lock import WeightsLock

    lock = WeightsLock(runs_folder(runs))
    for spec in choose_models(models):
        record = locate_weights(spec, lock=lock).record
        typer.echo(
            f"{spec.name}: {record.location}, revision {record.revision or 'none'}, sha256 {record.sha256}"
        )
    tell(f"next: repro eval --models {','.join(models)} --data IMAGENET{said_again(runs=runs)}")
