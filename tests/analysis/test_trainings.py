"""The lines of an ablation's csv: read as they were written, or refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from repro.analysis.trainings import Outcome, outcomes_csv, read_outcomes
from repro.exceptions import DataRefused, UsageError

FOUND = [
    Outcome("pool 5", 0, 4079, 10_000, 1_793_738, False, 78.357, "cpu, 1 thread, torch 2", "0a" * 32),
    Outcome("no norm", 2, 0, 10_000, 1, True, 0.1, "cuda:0", "0b" * 32),
]


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "ablation.csv"
    path.write_bytes(outcomes_csv(FOUND))
    assert read_outcomes(path) == FOUND


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("row,seed", "seed,row", "does not begin with the columns row, seed, n_right"),
        ("4079", "many", "line 2 is damaged: pool 5,0,many"),
        ("true", "yes", "line 3 is damaged"),
        ("4079", "10001", "line 2: 10001 of 10000 images right cannot be"),
        (",1,true", ",true", "line 3 is damaged"),
    ],
)
def test_a_damaged_file_is_refused(old: str, new: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "ablation.csv"
    text = outcomes_csv(FOUND).decode()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(DataRefused, match=words):
        read_outcomes(path)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        read_outcomes(tmp_path / "ablation.csv")
