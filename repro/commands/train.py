"""The verb that trains: `repro train small --data cifar10`."""

from __future__ import annotations

import errno
import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from repro.commands.door import RunsOption, tell
from repro.commands.evaluation_options import DeviceOption, ThreadsOption
from repro.exceptions import StorageError
from repro.results.runs import runs_folder
from repro.specs import N_CLASSES

if TYPE_CHECKING:
    from repro.training.recipe import Recipe
    from repro.training.side_by_side import Share

TrainingDataOption = Annotated[
    Path,
    typer.Option(
        "--data", help="A folder with train/ and val/, a folder a class in each, or Parquet shards of both."
    ),
]
SettingsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Another value in the recipe, as schedule.epochs=5; may be given several times.",
    ),
]
AtOnceOption = Annotated[
    int | None,
    typer.Option(
        "--at-once",
        min=1,
        help="Trainings at a time, in processes that share the cores.  [default: as many as cores, up to 8; "
        "on a GPU 1]",
        show_default=False,
    ),
]
ShareThreadsOption = Annotated[
    int | None,
    typer.Option(
        "--threads",
        min=1,
        help="Threads of each training on a CPU.  [default: its share of the cores]",
        show_default=False,
    ),
]
TrainingWorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers", min=0, help="Loader processes of each process.  [default: by device]", show_default=False
    ),
]


def more_seeds(seeds: int) -> str:
    """What would say more than a study with so many seeds does."""
    from repro.analysis.seeds import FEWEST_SEEDS

    if seeds < FEWEST_SEEDS:
        return f"--seeds {FEWEST_SEEDS}, the fewest that give intervals"
    return f"--seeds {seeds + 1}, for narrower intervals"


@contextmanager
def report_written() -> Iterator[None]:
    """Hints at --out where a report cannot be written there."""
    try:
        yield
    except StorageError as error:
        raise StorageError(
            str(error), hint="choose another folder with --out; what is trained is kept"
        ) from error


def require_folder(out: Path) -> None:
    """Sees that a report can be written to `out`, which hours of training come before; nothing is made yet.

    Raises:
        StorageError: it cannot.
    """
    from repro.results.atomic import storage_errors

    there = next(path for path in (out.absolute(), *out.absolute().parents) if path.exists())
    fault = errno.EACCES if there.is_dir() else errno.ENOTDIR
    with report_written(), storage_errors(out):
        if fault == errno.ENOTDIR or not os.access(there, os.W_OK):
            raise OSError(fault, os.strerror(fault), str(there))


def machine(
    device: str, threads: int | None, at_once: int | None, workers: int | None
) -> tuple[str, Share, int]:
    """Torch's device, the share of the cores that each of several trainings gets, and their loaders."""
    from repro.evaluation.environment import count_cores, set_numerics
    from repro.training.loading import default_loaders
    from repro.training.side_by_side import Share

    found = set_numerics(device, None, threads).device
    share = Share.of(found, count_cores(), at_once, threads)
    return found, share, default_loaders(found, share.at_once) if workers is None else workers


def train(
    recipe: Annotated[str, typer.Argument(help="small, poolformer_s12, …, or FILE.toml.")],
    data: TrainingDataOption,
    settings: SettingsOption = None,
    seed: Annotated[int, typer.Option(help="Of weights, order and augmentation.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Train there.  [default: trainings/ among the runs]", show_default=False
        ),
    ] = None,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
    workers: TrainingWorkersOption = None,
    compiled: Annotated[
        bool,
        typer.Option(
            "--compile", help="Compile the network first: minutes once, then a tenth to a sixth faster."
        ),
    ] = False,
    runs: RunsOption = None,
) -> None:
    """Train a MetaFormer by a recipe.

    After a stop the same command goes on from the last whole epoch, and ends with the same weights, on a CPU
    to the bit. Several GPUs: torchrun --nproc-per-node 8 -m repro train …

    Example: repro train small --data cifar10
    """
    from repro.datasets.training_images import open_training_images
    from repro.training.recipe_files import find_recipe

    chosen = find_recipe(recipe, settings or [])
    images, held_out = open_training_images(data)
    from repro.commands.training_progress import TrainingProgress
    from repro.evaluation.environment import set_numerics
    from repro.training.loading import default_loaders
    from repro.training.processes import joined
    from repro.training.train import Training, train

    numerics = set_numerics(device, None, threads)
    training = Training(
        recipe=chosen,
        images=images,
        held_out=held_out,
        seed=seed,
        device=numerics.device,
        workers=default_loaders(numerics.device) if workers is None else workers,
        compiled=compiled,
    )
    folder = out or runs_folder(runs) / "trainings" / training.name
    with joined(numerics.device) as processes, TrainingProgress(shown=processes.leads) as progress:
        if processes.leads:
            tell(f"{len(images):,} images of {len(images.classes)} classes, {len(held_out):,} held out")
            tell(f"{_told(chosen)}{', compiled first, which takes minutes' if compiled else ''}; in {folder}")
        record = train(training, folder, progress.watch(), processes)
    if processes.leads:
        _show(record, folder, chosen, recipe)


def _told(recipe: Recipe) -> str:
    how, plan = recipe.optimisation, recipe.schedule
    n = f"{plan.images_per_epoch:,} images" if plan.images_per_epoch else "all images"
    return f"{recipe.name}: {plan.epochs} epochs of {n}, batch {how.batch_size}, {how.precision}"


def _show(record: dict[str, Any], folder: Path, recipe: Recipe, asked: str) -> None:
    from repro.architecture import METAFORMERS, departures
    from repro.reporting.table import print_table
    from repro.reporting.trainings import training_table

    print_table(training_table(record))
    typer.echo(folder / "model.safetensors")
    named = METAFORMERS.get(recipe.name)
    if named and recipe.network.n_classes == N_CLASSES and not departures(named, asdict(recipe.network)):
        weights = shlex.quote(str(folder / "model.safetensors"))
        tell(f"next: repro eval --models metaformer:{recipe.name} --weights {weights} --data IMAGENET")
    else:
        tell(f"next: repro train {shlex.quote(asked)} --data … --seed {record['seed'] + 1}")
