"""Rows of runs for tests, written down by the rank of the true class alone."""

from collections.abc import Sequence

import pyarrow as pa

from repro.results.predictions import OK, SCHEMA

N_CLASSES = 12


def rows_of(
    ranks: Sequence[int | None],
    *,
    labels: Sequence[int] | None = None,
    ids: Sequence[str] | None = None,
    statuses: Sequence[str] | None = None,
    p_best: Sequence[float] | None = None,
) -> pa.Table:
    """One row a rank; the class that beats the true one at rank r is r places before it, of `N_CLASSES`.

    Unless `ids` says otherwise the images are called a, b, c, …
    """
    n = len(ranks)
    labels = labels or [0] * n
    ids = ids or [chr(ord("a") + i) for i in range(n)]
    statuses = statuses or [OK] * n
    p_best = p_best or [0.5] * n
    rows = []
    for rank, label, image_id, status, p in zip(ranks, labels, ids, statuses, p_best, strict=True):
        row = {"image_id": image_id, "path": f"{label}/{image_id}.JPEG", "label": label, "status": status}
        if status == OK and rank is not None:
            best = (label - rank) % N_CLASSES
            top5 = [(best + i) % N_CLASSES for i in range(5)]
            row |= {"precision": "fp32", "rank": rank, "top5": top5, "p_top5": [p, 0.1, 0.1, 0.1, 0.1]}
            row |= {"p_label": p if rank == 0 else 0.05}
        rows.append(row)
    return pa.Table.from_pylist(rows, SCHEMA)
