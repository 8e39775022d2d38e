"""The log of a training, readable while it runs: a csv, and TensorBoard's events where that is installed."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from repro.results.atomic import write_atomically
from repro.training.checkpoints import Row

COLUMNS = ("epoch", "learning_rate", "loss", "top1", "top5", "n_held_out", "seconds", "images_per_second")
"""Accuracies are fractions of `n_held_out`; `loss` is the mean over the epoch, as it was minimised."""


class Log:
    def __init__(self, folder: Path) -> None:
        self._csv = folder / "log.csv"
        self._events = _open_events(folder / "tensorboard")

    def write(self, rows: Sequence[Row]) -> None:
        """All rows so far, the last of them new."""
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: "" if row[name] is None else row[name] for name in COLUMNS} for row in rows)
        write_atomically(self._csv, text.getvalue().encode())
        if self._events:
            for name in ("loss", "learning_rate", "top1", "images_per_second"):
                if (value := rows[-1][name]) is not None:
                    self._events.add_scalar(name, value, rows[-1]["epoch"])
            self._events.flush()

    def close(self) -> None:
        """Gives back what TensorBoard's events hold: a file, and a thread that writes it."""
        if self._events:
            self._events.close()


def _open_events(folder: Path) -> Any:
    if not find_spec("tensorboard"):
        return None
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder))
