"""What the trainings of an ablation brought: the lines of `ablation.csv`, written and read again."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from io import StringIO
from pathlib import Path
from typing import Any

from repro.exceptions import DataRefused, UsageError


@dataclass(frozen=True, slots=True)
class Outcome:
    """One training of a row: `n_right` of `n` held-out images.

    `environment` says what it was trained with; `training` is its identity, the digest of recipe, seed and
    images.
    """

    row: str
    seed: int
    n_right: int
    n: int
    params: int
    diverged: bool
    seconds: float
    environment: str
    training: str

    @property
    def accuracy(self) -> float:
        return self.n_right / self.n


COLUMNS = tuple(field.name for field in fields(Outcome))

_PARSED: Mapping[str, Callable[[str], Any]] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": {"true": True, "false": False}.__getitem__,
}
"""By the name of a field's type."""


def outcomes_csv(outcomes: Sequence[Outcome]) -> bytes:
    """A line a training."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in outcomes:
        writer.writerow({**asdict(one), "diverged": str(one.diverged).lower()}.values())
    return text.getvalue().encode()


def read_outcomes(path: Path) -> list[Outcome]:
    """Those of a file that `outcomes_csv` wrote.

    Raises:
        UsageError: there is no such file.
        DataRefused: it is no such file, or a line of it is damaged.
    """
    try:
        lines = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
    except FileNotFoundError:
        raise UsageError(f"no such file: {path}") from None
    except (OSError, ValueError, csv.Error) as error:
        raise DataRefused(f"{path} cannot be read: {error}") from error
    if not lines or tuple(lines[0]) != COLUMNS:
        raise DataRefused(
            f"{path} does not begin with the columns {', '.join(COLUMNS)}",
            hint="give an ablation.csv that repro study ablation wrote, of this version",
        )
    return [_parse(line, f"{path}, line {n}") for n, line in enumerate(lines[1:], 2)]


def _parse(line: Sequence[str], where: str) -> Outcome:
    try:
        cells = zip(fields(Outcome), line, strict=True)
        outcome = Outcome(*(_PARSED[str(field.type)](text) for field, text in cells))
    except (ValueError, KeyError):
        raise DataRefused(f"{where} is damaged: {','.join(line)}") from None
    if not (0 <= outcome.n_right <= outcome.n and outcome.n):
        raise DataRefused(f"{where}: {outcome.n_right} of {outcome.n} images right cannot be")
    return outcome
