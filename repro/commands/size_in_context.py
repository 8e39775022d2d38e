"""`repro study size-in-context`: the remedy of slide 15, on scenes where only the surroundings tell sizes."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from repro.commands.door import RunsOption, tell
from repro.commands.evaluation_options import DeviceOption
from repro.commands.train import (
    AtOnceOption,
    SettingsOption,
    ShareThreadsOption,
    TrainingWorkersOption,
    machine,
    more_seeds,
    report_written,
    require_folder,
)
from repro.results.runs import runs_folder

if TYPE_CHECKING:
    from repro.analysis.size_in_context import Answered
    from repro.architecture import Architecture
    from repro.commands.training_progress import TrainingWatcher
    from repro.training.side_by_side import Share
    from repro.training.size_in_context import SizeStudy
    from repro.training.train import Training


SETTLED = {
    "schedule.epochs": "--epochs",
    "schedule.evaluate_every": "the study: once, at the end",
    "schedule.images_per_epoch": "the study: all of --images",
    "network.token_mixer": "the study: the models differ in it",
}
"""What this study settles of a recipe, and who says it."""


def size_in_context(
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each model.")] = 3,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of each training.")] = 10,
    images: Annotated[int, typer.Option(min=64, help="Scenes to train on.")] = 6000,
    held_out: Annotated[int, typer.Option(min=30, help="Scenes of each split that is held out.")] = 1500,
    recipe: Annotated[str, typer.Option(help="Its name, or FILE.toml.")] = "size-in-context",
    settings: SettingsOption = None,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Write the report there.")] = Path("reports"),
    device: DeviceOption = "auto",
    at_once: AtOnceOption = None,
    threads: ShareThreadsOption = None,
    workers: TrainingWorkersOption = None,
    runs: RunsOption = None,
) -> None:
    """Train models to judge sizes that only the surroundings tell.

    Scenes are generated: objects alike in shape, texture and look, whose class is their size in metres.
    Networks with pooling, identity, attention and hybrid stages learn it; then they are asked about sizes and
    scenes that were held out, and probed. After a stop the same command goes on. Writes size-in-context.md.

    Example: repro study size-in-context --seeds 3
    """
    from repro.training.recipe import with_budget
    from repro.training.recipe_files import find_recipe
    from repro.training.size_scenes import require_whole_scenes

    chosen = find_recipe(recipe, settings or [], settled=SETTLED)
    require_whole_scenes(chosen)
    budgeted = with_budget(chosen, epochs)
    require_folder(out)
    from repro.commands.training_progress import TrainingProgress
    from repro.training.side_by_side import train_all
    from repro.training.size_in_context import SizeStudy

    found_device, share, loaders = machine(device, threads, at_once, workers)
    planned = SizeStudy(
        recipe=budgeted,
        n_train=images,
        n_held_out=held_out,
        seeds=seeds,
        device=found_device,
        workers=loaders,
    )
    folder = runs_folder(runs) / "size-in-context"
    trainings = list(planned.trainings(folder))
    jobs = [(training, folder / training.name) for _, training in trainings]
    answered: list[Answered] = []
    with TrainingProgress() as progress:

        def watch(index: int) -> TrainingWatcher:
            model, training = trainings[index]
            return progress.watch(f"{model}, seed {training.seed}: ")

        with closing(train_all(jobs, share, watch)) as ended:
            for records in ended:
                answered = [one for index in records for one in _ask(planned, *trainings[index], folder)]
                seconds = sum(float(record["seconds"]) for record in records.values())
                _write(planned, share, answered, seconds, out)
    _show(answered, out)
    tell(f"next: the same command with {more_seeds(seeds)}")


def _ask(planned: SizeStudy, model: str, training: Training, folder: Path) -> list[Answered]:
    """What a model that was trained in `folder` answers, kept beside its weights."""
    from repro.analysis.size_in_context import Answered
    from repro.explain.doses import VERSION as DOSES_VERSION
    from repro.explain.small_models import count_right
    from repro.results.atomic import storage_errors, write_atomically
    from repro.results.sealed import seal, unseal
    from repro.training.checkpoints import TrainingFolder
    from repro.training.size_in_context import SmallModel
    from repro.training.size_scenes import VERSION

    own = folder / training.name
    path = own / f"answers-{VERSION}-{DOSES_VERSION}-{planned.n_held_out}.json"
    try:
        with storage_errors(path):
            counts = unseal(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except ValueError:  # damaged, or not sealed yet by an older version: the weights answer again
        counts = {}
    if not counts:
        weights = TrainingFolder(own, training.identity).finished_weights()
        small = SmallModel(training.recipe, weights, planned.device)
        counts = dict(count_right(small, planned.n_held_out))
        write_atomically(path, seal(counts, sort=False).encode())
    return [
        Answered(model, training.seed, condition, n_right, planned.n_held_out)
        for condition, n_right in counts.items()
    ]


def _show(answered: list[Answered], out: Path) -> None:
    from repro.analysis.size_in_context import study_sizes
    from repro.reporting.size_in_context import answers_table, compared_table
    from repro.reporting.table import print_table

    result = study_sizes(answered)
    print_table(answers_table(result))
    print_table(compared_table(result))
    typer.echo(out / "size-in-context.md")


def _write(planned: SizeStudy, share: Share, answered: list[Answered], seconds: float, out: Path) -> None:
    from repro.analysis.size_in_context import study_sizes
    from repro.reporting.size_in_context import answers_csv, answers_table, compared_table, draw_answers
    from repro.reporting.table import to_markdown
    from repro.results.atomic import write_atomically
    from repro.training.size_scenes import CLASSES, draw_look_alikes, render

    result = study_sizes(answered)
    scenes = {name: render(scene) for name, scene in zip(CLASSES, draw_look_alikes(), strict=True)}
    parts = [
        _head(planned, share, answered, seconds),
        "![A scene of each class, and the right answers by model](size-in-context.png)\n",
        to_markdown(compared_table(result)),
        to_markdown(answers_table(result)),
    ]
    with report_written():
        write_atomically(out / "size-in-context.csv", answers_csv(answered))
        write_atomically(out / "size-in-context.png", draw_answers(result, scenes))
        write_atomically(out / "size-in-context.md", "\n".join(parts).encode())


def _head(planned: SizeStudy, share: Share, answered: list[Answered], seconds: float) -> str:
    from repro.evaluation.environment import describe_environment
    from repro.reporting.size_in_context import WRITTEN_BY
    from repro.training.size_in_context import MODELS

    versions, schedule = describe_environment(), planned.recipe.schedule
    n_trained = len({(one.model, one.seed) for one in answered})
    return (
        "# Size in context\n\n"
        f"{WRITTEN_BY} Raw counts: size-in-context.csv.\n\n"
        "Slide 15 proposes to let a model judge size from the surroundings. Scenes are generated here in "
        "which nothing else tells it: a box on the ground, its class its size in metres, drawn so that "
        "shape, texture, place and how large it looks are alike for all classes. Tiles and posts of one "
        "known size, and the horizon, tell the rest.\n\n"
        f"- {planned.n_train:,} scenes trained on for {schedule.epochs} epochs, {planned.n_held_out:,} of "
        "each split asked\n"
        f"- {n_trained} of {planned.seeds * len(MODELS)} trainings ({len(MODELS)} models, {planned.seeds} "
        f"seeds) done, {seconds / 3600:.1f} hours of training on {planned.device}, {share.at_once} at a "
        f"time, python {versions['python']}, torch {versions['torch']}, timm {versions['timm']}\n"
        f"- {_reach(planned.recipe.network)}\n"
        "- the surroundings alone tell something of the class too, since the horizon lies where it must for "
        "the object; what the object adds to them stands in the first row, and is the most that is judged "
        "from both: a network that had learned surroundings alone might make more of them\n"
        "- sizes that are held out lie in the middle of their class's range, away from the next class: they "
        "are easier than those of the test\n"
    )


def _reach(network: Architecture) -> str:
    """How far the networks see without any mixer, which their comparison rests on."""
    if network.norm == "modified-layer":
        return "the modified layer norm joins all tokens on its own, also with identity for mixers"
    reach, side = network.reach_px, network.size_px
    told = (
        "patch embeddings overlap and reach far on their own: with identity for mixers, a token of the last "
        f"stage sees {min(reach, side)} pixels of {side}"
    )
    if reach < side - 1:
        return f"{told}, so that the networks differ in how far they see, too"
    return f"{told}, so that the networks differ in how they mix, not in whether they see"
