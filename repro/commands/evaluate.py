"""The verb that runs models: `repro eval`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from repro.catalogue.test_sets import find_test_set
from repro.commands.door import (
    INTERRUPTED,
    RunsOption,
    TestSetOption,
    command_line,
    said_again,
    tell,
)
from repro.commands.engines import ALONE, Engine, EngineOption, JoinOption, RayAddressOption, choose_engine
from repro.commands.evaluation_options import (
    BatchSizeOption,
    CacheOption,
    DataOption,
    DeviceOption,
    HashImagesOption,
    LabelsOption,
    ModelsOption,
    NoCanaryOption,
    PrecisionOption,
    PrepareOption,
    ProtocolOption,
    ThreadsOption,
    TuneOption,
    WeightsOption,
    WorkersOption,
    local_weights,
)
from repro.exceptions import InvalidRun, UsageError
from repro.results.runs import refuse_address, runs_folder

if TYPE_CHECKING:
    from repro.commands.progress import ProgressBar
    from repro.evaluation.plan import Plan, Request
    from repro.results.record import RunRecord


def eval_(
    models: ModelsOption,
    data: DataOption = None,
    labels: LabelsOption = None,
    test_set: TestSetOption = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Evaluate a class-balanced sample of this many images.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the sample that --limit takes.")] = 0,
    protocol: ProtocolOption = "authors",
    weights: WeightsOption = None,
    device: DeviceOption = "auto",
    batch_size: BatchSizeOption = None,
    threads: ThreadsOption = None,
    workers: WorkersOption = None,
    precision: PrecisionOption = "fp32",
    tune: TuneOption = False,
    allow_unreadable: Annotated[
        bool,
        typer.Option(
            "--allow-unreadable", help="Accept images that cannot be read; both accuracies are shown."
        ),
    ] = False,
    no_canary: NoCanaryOption = False,
    prepare: PrepareOption = False,
    cache: CacheOption = None,
    hash_images: HashImagesOption = False,
    join: JoinOption = None,
    engine: EngineOption = "local",
    ray_address: RayAddressOption = None,
    runs: RunsOption = None,
) -> None:
    """Evaluate models on labelled images.

    One pass serves all models. What is scored is kept: after a stop the same command goes on.
    Several processes share the work: torchrun --nproc-per-node=4 -m repro eval …

    Example: repro eval --models poolformer_s24,deit_s --data /data/imagenet/val
    """
    from repro.evaluation.plan import Request

    folder = runs_folder(runs)
    if hash_images and not (prepare or cache):
        raise UsageError("--hash-images is of the crop cache; without one every image is read and hashed")
    if cache:
        refuse_address("--cache", cache)
    request = Request(
        models=[name for name in models.split(",") if name.strip()],
        runs=folder,
        data=data,
        labels=labels,
        test_set=test_set,
        limit=limit,
        seed=seed,
        protocol_name=protocol,
        weights=local_weights(weights or [], models),
        device=device,
        batch_size=batch_size,
        threads=threads,
        workers=workers,
        allow_unreadable=allow_unreadable,
        canary=not no_canary,
        crops=cache or (folder / "crops" if prepare else None),
        hash_images=hash_images,
        precision=precision,
        tune=tune,
        arguments=command_line(),
    )
    chosen = choose_engine(request, engine, ray_address, join)
    began = datetime.now(UTC).isoformat(timespec="seconds")
    records = run_evaluation(request, chosen)
    if not chosen.speaks:
        return
    show_outcome(records)
    tell_waiting([record for record in records if record.started >= began], request.crops is not None)
    of_test_set = any(record.dataset.test_set for record in records)
    options = said_again(
        table="test-sets" if of_test_set else None,
        protocol=None if of_test_set or protocol == "authors" else protocol,
        runs=runs,
    )
    tell(f"next: repro compare-table{options}")


def run_evaluation(request: Request, engine: Engine = ALONE) -> list[RunRecord]:
    """Plans and evaluates under a progress bar, saying on stderr what is done."""
    from repro.commands.progress import ProgressBar, Silence
    from repro.evaluation.plan import plan_evaluation

    plan = plan_evaluation(request)
    if not engine.speaks:
        return engine.evaluate(plan, Silence())
    tell_images(plan)
    with ProgressBar() as watcher, interruptible(watcher):
        return engine.evaluate(plan, watcher)


def tell_images(plan: Plan) -> None:
    """Says on stderr which images were recognised, and whether they are the whole set."""
    from repro.datasets.test_sets import resembled

    data, dataset = plan.request.data, plan.dataset
    origin = "no --data given, so: " if data is None else f"{data}: "
    n_classes = len({sample.label for sample in dataset.samples})
    known = f"{dataset.name}, " if dataset.published else ""
    choices = f"its {dataset.n_choices}" if dataset.classes else f"all {dataset.n_choices}"
    tell(
        f"{origin}{known}{dataset.kind}, {len(dataset.samples):,} images of {n_classes:,} classes, "
        f"arg-max over {choices}"
    )
    if dataset.ignored:
        tell(f"ignored {dataset.ignored:,} entries that are no images")
    if dataset.partial:
        tell(f"PARTIAL: {dataset.partial}; not comparable with published figures")
    if alike := resembled(dataset):
        tell(
            f"its classes are the {alike.n_classes} of {alike.title}, of {alike.n_images:,} images; "
            f"--test-set {alike.name} takes the arg-max over them"
        )
    if dataset.test_set and (unclear := find_test_set(dataset.test_set).unclear):
        tell(f"not comparable with published figures: {unclear}")


@contextmanager
def interruptible(watcher: ProgressBar) -> Iterator[None]:
    """Ends on Ctrl-C with a line that says what is kept."""
    try:
        yield
    except KeyboardInterrupt:
        kept = f"{watcher.kept:,} of {watcher.total:,} images kept" if watcher.total else "nothing was begun"
        tell(f"stopped by user; {kept}; the same command resumes")
        raise typer.Exit(INTERRUPTED) from None


def show_outcome(records: list[RunRecord]) -> None:
    """Prints the accuracies.

    Raises:
        InvalidRun: a run may not be believed; the others are shown all the same.
    """
    from repro.reporting.runs import runs_table
    from repro.reporting.table import print_table

    print_table(runs_table(records))
    for record in records:
        if record.summary.invalid:
            raise InvalidRun(
                f"INVALID: {record.model.name}: {record.summary.invalid}",
                hint="mend the images and run the same command again, or add --allow-unreadable",
            )


def tell_waiting(records: Sequence[RunRecord], prepared: bool = False) -> None:
    """Says on stderr how long the networks of one pass waited for images, where that is worth a remedy."""
    passes = [(record.seconds, record.waited_seconds) for record in records if record.waited_seconds]
    seconds, waited = max(passes, default=(0, 0))
    if waited > max(10, 0.1 * seconds):
        told = f"the networks waited {waited:.0f} of {seconds:.0f} s for images"
        remedy = "" if prepared else "--prepare keeps the crops for the next evaluation, "
        tell(f"{told}; {remedy}more --workers read faster")
