"""Computes, image by image, what is not kept yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from repro.evaluation.memory import batch_fits
from repro.evaluation.scoring import Watcher
from repro.results.kept import KeptRows

KEPT_IMAGES = 64
"""What a kill can cost, at the most, rounded down to whole batches; whoever stops it politely loses none."""

ComputeRows = Callable[[Sequence[str]], Iterable[dict[str, Any]]]
"""All the rows of a batch of images."""


def complete(
    kept: KeptRows, image_ids: Sequence[str], compute: ComputeRows, batch_size: int, watcher: Watcher
) -> pa.Table:
    """The rows of these images, those that are missing computed and kept.

    An exception of the watcher ends it after the batch that it was told of, which is kept.

    Raises:
        Busy: another process computes the same.
        StorageError: the disk does not take the rows; those written before are kept.
        UsageError: a batch does not fit in memory.
    """
    with kept.locked():
        rows = kept.load(watcher.damaged)
        there = set(rows["image_id"].to_pylist())
        missing = [image_id for image_id in image_ids if image_id not in there]
        watcher.begin(total=len(image_ids), kept=len(image_ids) - len(missing))
        for part in _parts(missing, max(KEPT_IMAGES // batch_size, 1) * batch_size):
            new: list[dict[str, Any]] = []
            n_done = 0
            try:
                for batch in _parts(part, batch_size):
                    with batch_fits(batch_size):
                        new += list(compute(batch))  # all rows of its images, or none
                    n_done += len(batch)
                    watcher.scored(len(batch))
            finally:  # also where somebody stops it: whole batches are not lost
                if n_done:
                    rows = pa.concat_tables([rows, pa.Table.from_pylist(new, rows.schema)])
                    kept.write(rows)
                    watcher.keep(n_done)
        kept.put_first()
    return rows.filter(pc.is_in(rows["image_id"], pa.array(image_ids, pa.string())))


def _parts(image_ids: Sequence[str], n: int) -> list[Sequence[str]]:
    return [image_ids[i : i + n] for i in range(0, len(image_ids), n)]
