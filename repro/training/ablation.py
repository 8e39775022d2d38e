"""Table 5 at small scale: every row trained by one recipe that only its network differs in, seed by seed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from repro.analysis.trainings import Outcome
from repro.architecture import table5_row
from repro.datasets.training_images import TrainingImages
from repro.training.recipe import Recipe
from repro.training.side_by_side import Record, Share, train_all
from repro.training.train import Training, Watcher


@dataclass(frozen=True, slots=True)
class Ablation:
    """`recipe` is the baseline's; its schedule is the budget of each training."""

    recipe: Recipe
    rows: Sequence[str]
    seeds: int
    images: TrainingImages
    held_out: TrainingImages
    device: str
    workers: int

    def trainings(self) -> Iterator[tuple[str, Training]]:
        """The first seed of every row, then the second: an ablation that is stopped early has all rows."""
        for seed in range(self.seeds):
            for row in self.rows:
                recipe = replace(
                    self.recipe,
                    name=f"{self.recipe.name}-{re.sub('[^a-z0-9]+', '-', row.lower())}",
                    network=table5_row(row, self.recipe.network),
                )
                yield (
                    row,
                    Training(recipe, self.images, self.held_out, seed, self.device, self.workers),
                )


def run_ablation(
    ablation: Ablation,
    folder: Path,
    finished: Mapping[str, Outcome],
    share: Share,
    watch: Callable[[str, int], Watcher],
    done: Callable[[list[Outcome]], None],
) -> list[Outcome]:
    """Trains what is not trained yet, each in a folder of its own in `folder`.

    `finished` are outcomes from elsewhere, by their trainings' identities: those are not trained here.
    `watch` gives the watcher of a row's training with a seed; `done` sees all outcomes so far.

    Raises:
        UsageError, DataRefused, StorageError, ProcessLost: as `train_all`.
    """
    planned = list(ablation.trainings())
    missing = [one for one in planned if one[1].identity not in finished]
    jobs = [(training, folder / training.name) for _, training in missing]
    found = dict(finished)

    def outcomes() -> list[Outcome]:
        return [found[training.identity] for _, training in planned if training.identity in found]

    def watch_job(index: int) -> Watcher:
        row, training = missing[index]
        return watch(row, training.seed)

    if outcomes():
        done(outcomes())
    with closing(train_all(jobs, share, watch_job)) as ended:
        for records in ended:
            for index, record in records.items():
                row, training = missing[index]
                found[training.identity] = _outcome(row, training, record)
            done(outcomes())
    return outcomes()


def _outcome(row: str, training: Training, record: Record) -> Outcome:
    threads = record["threads"]
    on = (
        f"cpu, {threads} thread{'s' if threads > 1 else ''}"
        if record["device"] == "cpu"
        else str(record.get("device_name", record["device"]))  # which an older record lacks
    )
    versions = [f"{package} {record['environment'][package]}" for package in ("python", "torch", "timm")]
    return Outcome(
        row=row,
        seed=training.seed,
        n_right=round(record["top1"] * record["n_held_out"]),
        n=record["n_held_out"],
        params=record["params"],
        diverged=record["diverged"],
        seconds=record["seconds"],
        environment=", ".join([on, *versions]),
        training=training.identity,
    )
