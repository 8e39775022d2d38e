"""Confusions as a matrix: errors of each group of true classes (rows), by the group they were taken for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from repro.exceptions import UsageError
from repro.specs import N_CLASSES

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

Groups = Sequence[Sequence[int]]
"""Class indices by group; a group may be a single class, and a class is in one of them at most."""


def count_matrix(pairs: pd.DataFrame, rows: Groups, columns: Groups) -> Ints:
    """Errors by group: (rows, columns).

    An error within a group counts on the group's own cell; what is in none of the rows or columns, nowhere.
    A class taken for itself is no error and never counts.

    Args:
        pairs: directed (`rank_pairs`, not `symmetric`): `label`, `predicted` and `count`.
        rows: groups of true classes.
        columns: groups of predicted classes.

    Raises:
        UsageError: a class is in two of the rows or two of the columns, or is none.
    """
    import numpy as np

    label, predicted = pairs["label"].to_numpy(), pairs["predicted"].to_numpy()
    row, column = _places(rows)[label], _places(columns)[predicted]
    counted = (row >= 0) & (column >= 0) & (label != predicted)
    matrix = np.zeros((len(rows), len(columns)), dtype=np.int64)
    np.add.at(matrix, (row[counted], column[counted]), pairs["count"].to_numpy()[counted])
    return matrix


def _places(groups: Groups) -> Ints:
    """By class, which group it is in; -1 where in none."""
    import numpy as np

    classes = np.array([index for group in groups for index in group], dtype=np.int64)
    if len(classes) and not 0 <= classes.min() <= classes.max() < N_CLASSES:
        raise UsageError(f"classes are numbered 0 to {N_CLASSES - 1}; the groups have others")
    if len(np.unique(classes)) < len(classes):
        raise UsageError("a class is in two groups: its errors would count twice")
    places = np.full(N_CLASSES, -1, dtype=np.int64)
    places[classes] = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    return places
