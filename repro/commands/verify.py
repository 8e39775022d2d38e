"""The verb that decides a claim on as few images as it takes: `repro verify`."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated

import typer

from repro.commands.door import RunsOption, TestSetOption, command_line, said_again, tell
from repro.commands.evaluate import tell_images
from repro.commands.evaluation_options import (
    BatchSizeOption,
    DataOption,
    DeviceOption,
    LabelsOption,
    NoCanaryOption,
    ProtocolOption,
    ThreadsOption,
    WeightsOption,
    WorkersOption,
    local_weights,
)
from repro.commands.show import Format, FormatOption, write_table
from repro.exceptions import UsageError
from repro.results.runs import runs_folder


def verify(
    claim: Annotated[
        str,
        typer.Argument(
            metavar="CLAIM",
            help="A claim on the difference of two models' Top-1 (its id in `repro claims`), "
            "or an ordering: 'A > B', 'A > B > C'.",
        ),
    ],
    data: DataOption = None,
    labels: LabelsOption = None,
    test_set: TestSetOption = None,
    within: Annotated[
        str | None,
        typer.Option(
            metavar="POINTS",
            help="Decide whether the difference is the stated one, give or take so many points.",
            show_default=False,
        ),
    ] = None,
    alpha: Annotated[float, typer.Option(help="Probability of a wrong decision, at the most.")] = 0.05,
    seed: Annotated[int, typer.Option(help="Of the order of the images; to be chosen beforehand.")] = 0,
    protocol: ProtocolOption = "authors",
    weights: WeightsOption = None,
    device: DeviceOption = "auto",
    batch_size: BatchSizeOption = None,
    threads: ThreadsOption = None,
    workers: WorkersOption = None,
    no_canary: NoCanaryOption = False,
    form: FormatOption = Format.TERMINAL,
    runs: RunsOption = None,
) -> None:
    """Decide a claim about two models early.

    Images come in a random order until an always-valid confidence sequence decides which model is more
    accurate. That is about the claim; it is no estimate, and in no table of runs.

    Example: repro verify talk-19-top1-resnet --data /data/imagenet/val
    """
    from repro.catalogue.claim_files import load_sources
    from repro.catalogue.questions import find_question
    from repro.evaluation.plan import Request, plan_evaluation

    if not 0 < alpha < 1:
        raise UsageError(f"--alpha {alpha:g} is no probability between 0 and 1", hint="--alpha 0.05")
    question = find_question(claim, load_sources(), None if within is None else _points(within))
    request = Request(
        models=question.models,
        runs=runs_folder(runs),
        data=data,
        labels=labels,
        test_set=test_set,
        seed=seed,
        protocol_name=protocol,
        weights=local_weights(weights or []),
        device=device,
        batch_size=batch_size,
        threads=threads,
        workers=workers,
        canary=not no_canary,
        arguments=command_line(),
    )
    plan = plan_evaluation(request)
    tell_images(plan)
    from repro.commands.decision import find_or_decide
    from repro.reporting.verification import verification_table

    record, path = find_or_decide(question, plan, alpha)
    write_table(verification_table(record), form)
    tell(f"kept: {path}")
    options = said_again(
        data=data or "IMAGENET",
        labels=labels,
        test_set=test_set,
        protocol=None if protocol == "authors" else protocol,
        weights=weights or [],
        runs=runs,
    )
    tell(f"next: repro eval --models {','.join(question.models)}{options}")


def _points(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise UsageError(f"--within {text!r} is no number of points", hint="--within 0.2") from None
