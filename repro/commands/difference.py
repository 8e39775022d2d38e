"""The verb that looks for the cause of a gap: `repro explain-difference`."""

from __future__ import annotations

import shlex
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from repro.commands.door import MovedDataOption, MovedLabelsOption, RunsOption, said_again, tell
from repro.commands.evaluate import interruptible
from repro.commands.evaluation_options import DeviceOption, WorkersOption
from repro.commands.show import FormatWithJson, write_values
from repro.exceptions import UsageError
from repro.results.runs import find_run, runs_folder

if TYPE_CHECKING:
    from repro.analysis.difference import ExplainedDifference
    from repro.analysis.gap import RunGap
    from repro.evaluation.sweep_plan import SweepPlan
    from repro.results.record import RunRecord
    from repro.results.sweeps import Sweep


def explain_difference(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="An id from `repro runs`, a beginning of one, or a path.")
    ],
    limit: Annotated[
        int, typer.Option(min=1, help="Try the variations on a class-balanced sample of this many images.")
    ] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the sample that --limit takes.")] = 0,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="VARIATION", help="Only this one, as the table names it; may be repeated."),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            metavar="PERCENT",
            help="Top-1 that others have on the same images.  [default: the printed or published one]",
            show_default=False,
        ),
    ] = None,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Try the variations although there is nothing to explain.")
    ] = False,
    data: MovedDataOption = None,
    labels: MovedLabelsOption = None,
    device: DeviceOption = "auto",
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, help="Images in a forward pass.  [default: the run's]", show_default=False),
    ] = None,
    workers: WorkersOption = None,
    form: Annotated[
        FormatWithJson, typer.Option("--format", help="Form of the table.")
    ] = FormatWithJson.TERMINAL,
    runs: RunsOption = None,
) -> None:
    """Find out why a run's Top-1 is not the expected one.

    Sets one factor of its protocol at a time to another value that people use (crop, size, interpolation,
    resize backend, normalisation, precision, …), and says of each what of the gap it would explain. What
    is computed is kept beside the run: after a stop the same command goes on.

    Example: repro explain-difference deit_s-imagenet-val-timm
    """
    from repro.analysis.difference import explain
    from repro.analysis.gap import measure_gap
    from repro.evaluation.sweep_plan import SweepPlan, SweepRequest
    from repro.reporting.difference import difference_json, difference_table

    request = SweepRequest(
        run=find_run(runs_folder(runs), run),
        limit=limit,
        seed=seed,
        only=only or (),
        data=data,
        labels=labels,
        device=device,
        batch_size=batch_size,
        workers=workers,
    )
    plan = SweepPlan(request)
    gap = measure_gap(plan.record, None if reference is None else _percent(reference))
    if gap.reference and gap.gap is None and not anyway:
        _write_nothing(plan.record, gap, form)
        tell("next: --anyway tries the variations all the same")
        return
    explained = explain(plan.record, gap, _sweep(plan))
    write_values(difference_json(explained), difference_table(explained), form)
    options = said_again(reference=reference, anyway=anyway, data=data, labels=labels, runs=runs)
    tell(_next(plan, explained, f"{shlex.quote(run)}{options}", runs))


def _sweep(plan: SweepPlan) -> Sweep:
    """The sweep as it is kept, else made now under a progress bar."""
    from repro.commands.progress import ProgressBar
    from repro.results.sweeps import read_sweep

    if kept := read_sweep(plan.path, plan.key):
        return kept
    noun = "variation" if len(plan.variations) == 1 else "variations"
    tell(f"{len(plan.variations)} {noun} on {len(plan.samples):,} images; kept in {plan.path}")
    from repro.evaluation.sweep import sweep

    with ProgressBar() as watcher, interruptible(watcher):
        return sweep(plan, watcher)


def _write_nothing(record: RunRecord, gap: RunGap, form: FormatWithJson) -> None:
    """Says that there is nothing to explain; programs get the form that they asked for."""
    from repro.reporting.difference import nothing_json, nothing_table

    sentence = f"{record.run_id}: {gap.statement}"
    if form is FormatWithJson.TERMINAL:
        typer.echo(sentence)
    else:
        tell(sentence)
        write_values(nothing_json(record, gap), nothing_table(record, gap), form)


def _next(plan: SweepPlan, explained: ExplainedDifference, again: str, runs: Path | None) -> str:
    """Which command tests the best candidate on all images, or that there is none.

    `again` are the run and the options that were given, in the words of a command line.
    """
    record, best = explained.sweep.record, explained.best
    if best is None and explained.gap.gap is None:
        return "nothing tried moves Top-1"
    if best is None:
        local = plan.record.model.weights.origin == "file"
        weights = "the weights (local, not pinned), " if local else ""
        where = shlex.quote(str(plan.request.data or plan.record.dataset.root))
        doctor = f"repro doctor {where}{_of_the_images(plan)}{said_again(runs=runs)}"
        return f"nothing tried explains it; what is left: {weights}the labels and the images; next: {doctor}"
    name = best.effect.name
    if command := _eval_command(plan, name, runs):
        return f"{name} {best.verdict}; next: {command}"
    if explained.whole:
        return f"{name} {best.verdict}, on all {record.n:,} images of the run"
    return (
        f"best candidate: {name} ({best.verdict}); next: repro explain-difference {again} "
        f"--only {shlex.quote(name)} --limit {record.n_run}"
    )


def _eval_command(plan: SweepPlan, name: str, runs: Path | None) -> str:
    """The evaluation under the model's protocol that the variation comes to; empty where it is none."""
    from repro.evaluation.variations import Setting

    record = plan.record
    setting = plan.settings()[name]
    protocol = next((key for key, p in plan.named_protocols.items() if Setting(p) == setting), None)
    if protocol is None or record.dataset.n != record.dataset.n_expected:
        return ""
    weights = record.model.weights
    options = said_again(
        data=plan.request.data or record.dataset.root,
        protocol=protocol,
        weights=f"{record.model.name}={weights.location}" if weights.origin == "file" else None,
    )
    return f"repro eval --models {record.model.name}{options}{_of_the_images(plan)}{said_again(runs=runs)}"


def _of_the_images(plan: SweepPlan) -> str:
    """The options that say what the run's images are, as for `repro eval`."""
    labels = plan.request.labels or plan.record.labels_of(plan.request.data)
    return said_again(labels=labels, test_set=plan.record.dataset.test_set or None)


def _percent(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal(0)
    if not (value.is_finite() and 0 < value <= 100):
        raise UsageError(f"--reference {text!r} is no percentage", hint="--reference 80.3")
    return value
