"""Every error a user can meet, as a tree; each branch is one exit code.

    ReproError                70  (never raised itself)
    ├── UsageError             2  an option or a name that cannot be meant
    ├── DataRefused            3  a dataset, its labels or an image that cannot be trusted
    ├── WeightsRefused         3  weights that are missing, damaged or not the ones named
    ├── InvalidRun             4  a run in which not every image was scored exactly once
    ├── Unavailable           69  the hub cannot be reached, or an optional package is not installed
    ├── StorageError          74  the disk is full, read-only or damaged
    ├── ProcessLost           70  a loader process died or hangs; what was finished is kept
    └── Busy                  75  another process writes the same run

A message is one line: what was wrong with its value, what would be right. `hint` is the next
command to run. Anything else that escapes is a bug of ours and keeps its traceback.
"""

from __future__ import annotations


class ReproError(Exception):
    """What went wrong, in one line, with the next command in `hint`."""

    exit_code = 70

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(ReproError):
    exit_code = 2


class DataRefused(ReproError):
    exit_code = 3


class WeightsRefused(ReproError):
    exit_code = 3


class InvalidRun(ReproError):
    exit_code = 4


class Unavailable(ReproError):
    exit_code = 69


class ProcessLost(ReproError):
    exit_code = 70


class StorageError(ReproError):
    exit_code = 74


class Busy(ReproError):
    exit_code = 75
