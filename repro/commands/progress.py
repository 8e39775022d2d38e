"""The progress bar of an evaluation, on stderr: images done, images a second, time left."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
    track,
)
from rich.text import Text

from repro.commands.door import tell
from repro.exceptions import StorageError

T = TypeVar("T")


class ProgressBar:
    """Watches an evaluation: a bar on a terminal, one line for each tenth where stderr is no terminal."""

    def __init__(self) -> None:
        self.total = self.kept = self._seen = 0
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _ImagesPerSecond(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._plain = not self._bar.console.is_terminal
        self._task = self._bar.add_task("loading models", total=None)

    def cached(self, total: int, missing: int, n_bytes: int, folder: Path) -> None:
        tell(f"crop cache {folder}: has {total - missing:,} of {total:,} images{_to_be_written(n_bytes)}")

    def remade(self, reason: str) -> None:
        _tell_remade(reason)

    def begin(self, total: int, kept: int) -> None:
        self.total, self.kept, self._seen = total, kept, kept
        if 0 < kept < total:
            tell(f"resuming: {kept:,} of {total:,} images done")
        if not self._plain and kept < total:
            self._bar.reset(self._task, total=total, completed=kept, description="images")

    def scored(self, n: int) -> None:
        before, self._seen = self._seen, self._seen + n
        if not self._plain:
            self._bar.advance(self._task, n)
        elif before * 10 // self.total != self._seen * 10 // self.total:
            tell(f"{self._seen:,} of {self.total:,} images")

    def tell_state(self, state: str, n: int, most: int) -> None:
        """Shows what `n` of at `most` so many images say: in front of the bar, or as a line."""
        if self._plain:
            tell(f"{n:,} of at most {most:,} images: {state}")
        else:
            self._bar.update(self._task, description=state)

    def keep(self, n: int) -> None:
        self.kept += n

    def damaged(self, path: Path, reason: StorageError) -> None:
        _tell_damage(path, reason)

    def __enter__(self) -> Self:
        if not self._plain:
            self._bar.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if not self._plain:
            self._bar.stop()


class Silence:
    """Watches as one of several processes, of which another shows how far they are."""

    def cached(self, total: int, missing: int, n_bytes: int, folder: Path) -> None: ...
    def remade(self, reason: str) -> None:
        _tell_remade(reason)

    def begin(self, total: int, kept: int) -> None: ...
    def scored(self, n: int) -> None: ...
    def keep(self, n: int) -> None: ...
    def damaged(self, path: Path, reason: StorageError) -> None:
        _tell_damage(path, reason)


def _tell_remade(reason: str) -> None:
    tell(f"{reason}; what is damaged there is made anew from the images")


def _tell_damage(path: Path, reason: StorageError) -> None:
    tell(f"{reason}; {path.name} is set aside as .corrupt, its images are scored again")


def track_on_terminal(things: Sequence[T], doing: str) -> Iterable[T]:
    """The things one after the other, under a bar where stderr is a terminal."""
    console = Console(stderr=True)
    return track(things, doing, console=console, disable=not console.is_terminal)


def _to_be_written(n_bytes: int) -> str:
    """What the crops that are still missing take: 50,000 of 224 px take 7.5 GB."""
    if not n_bytes:
        return ""
    size = f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.1f} MB"
    return f"; the others' crops take {size}"


class _ImagesPerSecond(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f} images/s" if task.speed else "")
