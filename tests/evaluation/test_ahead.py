"""A batch is begun before the rows of the one before it are waited for, where a GPU scores."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest

from repro.evaluation.ahead import one_ahead
from repro.evaluation.scoring import Scorer, gather, score_pending
from repro.results.predictions import SCHEMA
from tests.proof.toy import Loaded, Quiet, Toy, cut, folder_of, load_batches_of, score_batch

TOY = Toy(n_images=23)


@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_each_is_given_once_the_next_is_made(n: int) -> None:
    made = []

    def make() -> Iterator[int]:
        for i in range(n):
            made.append(i)
            yield i

    given = 0
    for i in one_ahead(make()):
        assert i == given
        assert len(made) == min(i + 2, n)
        given += 1
    assert given == n


@pytest.mark.parametrize("overlap", [False, True])
def test_rows_are_waited_for_before_or_after_the_next_batch_is_begun(tmp_path: Path, overlap: bool) -> None:
    told: list[str] = []

    def begin(loaded: Loaded) -> Callable[[], pa.RecordBatch]:
        told.append("begun")
        return partial(wait, loaded)

    def wait(loaded: Loaded) -> pa.RecordBatch:
        told.append("waited")
        return score_batch(TOY, loaded)

    folder = folder_of(tmp_path, TOY)
    with folder.locked():
        score_pending([Scorer(folder, begin)], cut(TOY), partial(load_batches_of, TOY), Quiet(), overlap)
        rows = gather(folder, cut(TOY))
    n = len(told) // 2
    turns = ["begun", "waited"] * n
    assert told == (["begun", *["begun", "waited"] * (n - 1), "waited"] if overlap else turns)
    batches = [score_batch(TOY, loaded) for loaded in load_batches_of(TOY, cut(TOY))]
    assert rows.equals(pa.Table.from_batches(batches, SCHEMA))
