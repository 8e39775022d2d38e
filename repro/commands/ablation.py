"""`repro study ablation`: the paper's Table 5 trained anew, small, and its claims judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from repro.commands.door import RunsOption, tell
from repro.commands.evaluation_options import DeviceOption
from repro.commands.train import (
    AtOnceOption,
    SettingsOption,
    ShareThreadsOption,
    TrainingDataOption,
    TrainingWorkersOption,
    machine,
    more_seeds,
    report_written,
    require_folder,
)
from repro.exceptions import UsageError
from repro.results.runs import runs_folder

if TYPE_CHECKING:
    from repro.analysis.seeds import Scatter
    from repro.analysis.trainings import Outcome
    from repro.training.ablation import Ablation


SETTLED = {
    "schedule.epochs": "--epochs",
    "schedule.evaluate_every": "the study: once, at the end",
    "schedule.images_per_epoch": "--images",
}
"""What this study settles of a recipe, and who says it."""


SMALL_SCALE = 1e-3
"""Layer scales from which on down a block hardly counts at first."""

FEW_EPOCHS = 30
"""A tenth of the paper's."""


def ablation(
    data: TrainingDataOption,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each row.")] = 3,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of each training.")] = 5,
    images: Annotated[
        int, typer.Option(min=0, help="Images of an epoch, drawn anew for each; 0: all of them.")
    ] = 0,
    rows: Annotated[
        str, typer.Option(help="Rows of Table 5, separated by commas.  [default: all]", show_default=False)
    ] = "",
    recipe: Annotated[str, typer.Option(help="The baseline's: its name, or FILE.toml.")] = "small",
    settings: SettingsOption = None,
    finished: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="An ablation.csv of this study from elsewhere: what it has is not trained again; may be "
            "given several times.",
        ),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Write the report there.")] = Path("reports"),
    device: DeviceOption = "auto",
    at_once: AtOnceOption = None,
    threads: ShareThreadsOption = None,
    workers: TrainingWorkersOption = None,
    runs: RunsOption = None,
) -> None:
    """Train the rows of the paper's ablation study, small, and judge what it claims.

    Every row of Table 5 by one recipe and one budget, several times. After a stop the same command goes on;
    more --seeds add to what is there. Several machines: the same command on each, one --runs for all, or
    without a folder in common each one's ablation.csv given to the next with --finished; several GPUs: one
    for each, begun with CUDA_VISIBLE_DEVICES=0, 1, …
    Writes ablation.md, its picture and the raw csv after every training.

    Example: repro study ablation --data cifar10 --seeds 3 --epochs 5
    """
    from repro.architecture import TABLE5, require_baseline, table5_row
    from repro.datasets.training_images import open_training_images
    from repro.training.recipe import with_budget
    from repro.training.recipe_files import find_recipe

    named = dict.fromkeys(row.strip() for row in rows.split(",") if row.strip())
    chosen = list(named or TABLE5)
    baseline = find_recipe(recipe, settings or [], settled=SETTLED)
    require_baseline(baseline.network)
    for row in chosen:
        table5_row(row, baseline.network)
    budgeted = with_budget(baseline, epochs, images_per_epoch=images)
    train_images, held_out = open_training_images(data)
    require_folder(out)
    from repro.commands.training_progress import TrainingProgress
    from repro.training.ablation import Ablation, run_ablation

    found_device, share, loaders = machine(device, threads, at_once, workers)
    planned = Ablation(
        recipe=budgeted,
        rows=chosen,
        seeds=seeds,
        images=train_images,
        held_out=held_out,
        device=found_device,
        workers=loaders,
    )
    known = _read_finished(planned, finished or [])
    with TrainingProgress() as progress:
        outcomes = run_ablation(
            planned,
            runs_folder(runs) / "ablation",
            known,
            share,
            lambda row, seed: progress.watch(f"{row}, seed {seed}: "),
            lambda found: _write(planned, found, out),
        )
    _show(planned, outcomes, out)


def _read_finished(planned: Ablation, files: Sequence[Path]) -> dict[str, Outcome]:
    """The outcomes in `files` that are of this study, by their trainings' identities.

    Raises:
        UsageError: a file has none of them.
        DataRefused: a file is damaged.
    """
    from repro.analysis.trainings import read_outcomes

    own = {training.identity for _, training in planned.trainings()}
    found: dict[str, Outcome] = {}
    for file in files:
        outcomes = read_outcomes(file)
        here = {one.training: one for one in outcomes if one.training in own}
        if not here:
            raise UsageError(
                f"{file}: none of its {len(outcomes)} trainings is of this study; "
                "recipe, budget, rows, seeds or images differ",
                hint="the same options as where it was written, or no --finished",
            )
        tell(f"{len(here)} of {len(outcomes)} trainings in {file} are of this study")
        found |= here
    return found


def _show(planned: Ablation, outcomes: list[Outcome], out: Path) -> None:
    from repro.analysis.ablation import study_ablation
    from repro.analysis.seeds import FEWEST_SEEDS
    from repro.catalogue.table5 import printed_top1
    from repro.reporting.ablation import claims_table, rows_table
    from repro.reporting.table import print_table

    study = study_ablation(outcomes, 1 / len(planned.images.classes))
    print_table(rows_table(study, printed_top1()))
    print_table(claims_table(study))
    typer.echo(out / "ablation.md")
    few_rows = study.scatter is None and planned.seeds >= FEWEST_SEEDS
    more = "more --rows: it takes three that learn" if few_rows else more_seeds(planned.seeds)
    tell(f"next: the same command with {more}")


def _write(planned: Ablation, outcomes: list[Outcome], out: Path) -> None:
    """Writes report, picture and csv of what is trained so far."""
    from repro.analysis.ablation import study_ablation
    from repro.analysis.trainings import outcomes_csv
    from repro.catalogue.table5 import printed_top1
    from repro.reporting.ablation import claims_table, draw_ablation, rows_table
    from repro.reporting.table import to_markdown
    from repro.results.atomic import write_atomically

    study, printed = study_ablation(outcomes, 1 / len(planned.images.classes)), printed_top1()
    parts = [_head(planned, outcomes, study.scatter), to_markdown(claims_table(study))]
    with report_written():
        write_atomically(out / "ablation.csv", outcomes_csv(outcomes))
        if study.differences:
            write_atomically(out / "ablation.png", draw_ablation(study, printed))
            parts.append("![Top-1 of each row minus the baseline's, printed and here](ablation.png)\n")
        parts.append(to_markdown(rows_table(study, printed)))
        write_atomically(out / "ablation.md", "\n".join(parts).encode())


def _head(planned: Ablation, outcomes: list[Outcome], scatter: Scatter | None) -> str:
    from repro.reporting.ablation import WRITTEN_BY

    plan, how = planned.recipe.schedule, planned.recipe.optimisation
    n_images = plan.images_per_epoch or len(planned.images)
    network = planned.recipe.network
    environments = Counter(outcome.environment for outcome in outcomes)
    hours = sum(outcome.seconds for outcome in outcomes) / 3600
    if scatter:
        low, high = (f"{100 * end(scatter.deviations.values()):.2f}" for end in (min, max))
        told = (
            f"one training of a row lies {low if low == high else f'{low} to {high}'} points from another "
            "(standard deviation by row, the seeds' common share taken off, moderated after Smyth 2004)"
        )
    else:
        told = (
            "fewer than three seeds, or fewer than three rows that learn, do not say how far rows scatter: "
            "no interval, and nothing is decided"
        )
    return (
        "# The ablation study, small\n\n"
        f"{WRITTEN_BY} The raw counts are in ablation.csv.\n\n"
        f"Rows of Table 5 of *MetaFormer Is Actually What You Need for Vision*, trained from scratch on "
        f"{network.n_classes} classes at {network.size_px} px (tokens a side: "
        f"{', '.join(map(str, network.sides))}) and evaluated on {len(planned.held_out):,} images held out. "
        f"The paper's are PoolFormer-S12 after 300 epochs of ImageNet-1K: orders may be compared, accuracies "
        f"not.\n\n"
        f"- budget of a training: {plan.epochs} epochs of {n_images:,} images, batch {how.batch_size}, "
        f"{how.precision}, peak learning rate {how.learning_rate:g}; recipe "
        f"`{planned.recipe.name}`, layer scale from {network.layer_scale:g}\n"
        f"- {len(outcomes)} of {planned.seeds * len(planned.rows)} trainings ({len(planned.rows)} rows, "
        f"{planned.seeds} seeds) done, {hours:.1f} hours of training in all, by the clock: what else their "
        "machine did, pauses too, is in them\n"
        + "".join(f"- {n} on {environment}\n" for environment, n in environments.items())
        + f"- {told}\n"
        + "".join(f"- {remark}\n" for remark in _remarks(planned))
    )


def _remarks(planned: Ablation) -> Iterator[str]:
    """What the rows that are there have to be read with."""
    layer_scale = planned.recipe.network.layer_scale
    if any("attention" in row for row in planned.rows):
        yield (
            "hybrids with attention have layer norm, by Table 6; its other learning rate and batch are not "
            "followed"
        )
    if "no residual" in planned.rows and 0 < layer_scale <= SMALL_SCALE:
        yield (
            "the row without residual keeps the layer scale, as Table 5 counts its parameters: what passes "
            "a block is scaled by it from the start, so that this row cannot but collapse"
        )
    if 0 < layer_scale <= SMALL_SCALE and planned.recipe.schedule.epochs <= FEW_EPOCHS:
        yield "so few updates let layer scales grow little: token mixers matter less than after 300 epochs"
