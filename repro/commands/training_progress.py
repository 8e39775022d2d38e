"""The progress bar of a training, on stderr: images of the epoch, images a second, time left."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Self

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from repro.commands.door import INTERRUPTED, tell


class TrainingProgress:
    """Watches a training: a bar on a terminal, and a line for each epoch anywhere.

    A stop by the user ends the verb, and says what is kept.
    """

    def __init__(self, shown: bool = True, about: str = "") -> None:
        self._console = Console(stderr=True)
        self._shown, self.about = shown, about
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not (shown and self._console.is_terminal),
            transient=True,
        )
        self._task = self._bar.add_task("loading", total=None)
        self._n_epochs = 0

    def begin(self, epoch: int, n_epochs: int, n_images: int) -> None:
        self._n_epochs = n_epochs
        description = f"{self.about}epoch {epoch + 1} of {n_epochs}"
        self._bar.reset(self._task, total=n_images, description=description)

    def trained(self, n_images: int) -> None:
        self._bar.advance(self._task, n_images)

    def finished(self, row: Mapping[str, int | float | None]) -> None:
        if not self._shown:
            return
        loss = "not finite: ended" if row["loss"] is None else f"{row['loss']:.4f}"
        top1 = "" if row["top1"] is None else f", Top-1 {100 * row['top1']:.2f} % of {row['n_held_out']:,}"
        tell(
            f"{self.about}epoch {row['epoch']} of {self._n_epochs}: loss {loss}{top1}, "
            f"{row['images_per_second']:.0f} images/s"
        )

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        if isinstance(error, KeyboardInterrupt):
            tell("stopped by user; whole epochs are kept; the same command resumes")
            raise typer.Exit(INTERRUPTED) from None
