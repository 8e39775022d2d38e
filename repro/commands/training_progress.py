"""The progress bars of trainings, on stderr: images of the epoch, images a second, time left."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Self

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from repro.commands.door import INTERRUPTED, tell


class TrainingProgress:
    """A bar for each training on a terminal, and a line for each epoch anywhere.

    A stop by the user ends the verb, and says what is kept.
    """

    def __init__(self, shown: bool = True) -> None:
        console = Console(stderr=True)
        self._shown = shown
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not (shown and console.is_terminal),
            transient=True,
        )

    def watch(self, about: str = "") -> TrainingWatcher:
        """The watcher of one training; its lines begin with `about`."""
        return TrainingWatcher(self._bars, self._shown, about)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._bars.stop()
        if isinstance(error, KeyboardInterrupt):
            tell("stopped by user; whole epochs are kept; the same command resumes")
            raise typer.Exit(INTERRUPTED) from None


class TrainingWatcher:
    def __init__(self, bars: Progress, shown: bool, about: str) -> None:
        self._bars, self._shown, self._about = bars, shown, about
        self._task = bars.add_task(f"{about}loading", total=None)
        self._n_epochs = 0

    def begin(self, epoch: int, n_epochs: int, n_images: int) -> None:
        self._n_epochs = n_epochs
        description = f"{self._about}epoch {epoch + 1} of {n_epochs}"
        self._bars.reset(self._task, total=n_images, description=description)

    def trained(self, n_images: int) -> None:
        self._bars.advance(self._task, n_images)

    def held(self) -> None:
        self._bars.remove_task(self._task)
        tell(f"{self._about}another process has this training, which is waited for in the end")

    def finished(self, row: Mapping[str, int | float | None]) -> None:
        if row["epoch"] == self._n_epochs or row["loss"] is None:
            self._bars.remove_task(self._task)
        if not self._shown:
            return
        loss = "not finite: ended" if row["loss"] is None else f"{row['loss']:.4f}"
        top1 = "" if row["top1"] is None else f", Top-1 {100 * row['top1']:.2f} % of {row['n_held_out']:,}"
        tell(
            f"{self._about}epoch {row['epoch']} of {self._n_epochs}: loss {loss}{top1}, "
            f"{row['images_per_second']:.0f} images/s"
        )
