"""Table 5 at small scale: every row trained by one recipe that only its network differs in, seed by seed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from repro.analysis.ablation import Outcome
from repro.architecture import table5_row
from repro.datasets.training_images import TrainingImages
from repro.training.recipe import Recipe
from repro.training.side_by_side import Share, train_all
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
    share: Share,
    watch: Callable[[str, int], Watcher],
    done: Callable[[list[Outcome]], None],
) -> list[Outcome]:
    """Trains what is not trained yet, each in a folder of its own in `folder`.

    `watch` gives the watcher of a row's training with a seed; `done` sees all outcomes so far.

    Raises:
        DataRefused, StorageError, Busy, ProcessLost: as `train_all`.
    """
    planned = list(ablation.trainings())
    outcomes: dict[int, Outcome] = {}
    jobs = [(training, folder / training.name) for _, training in planned]
    for index, found in train_all(jobs, share, lambda index: watch(planned[index][0], jobs[index][0].seed)):
        row, training = planned[index]
        outcomes[index] = Outcome(
            row=row,
            seed=training.seed,
            n_right=round(found["top1"] * found["n_held_out"]),
            n=found["n_held_out"],
            params=found["params"],
            diverged=found["diverged"],
            seconds=found["seconds"],
        )
        done([outcomes[index] for index in sorted(outcomes)])
    return [outcomes[index] for index in sorted(outcomes)]
