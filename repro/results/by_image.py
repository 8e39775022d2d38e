"""Rows by image id, each made only when it is looked at: 50,000 as Python objects take 100 MB."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, ValuesView
from typing import Any

import pyarrow as pa

_AT_ONCE = 4096
"""Rows that are made together where all are looked at."""


class RowsByImage(Mapping[str, dict[str, Any]]):
    """A table's rows, in its order; every image id stands there once."""

    def __init__(self, rows: pa.Table) -> None:
        self._rows = rows.combine_chunks()
        self._place = {image_id: i for i, image_id in enumerate(rows["image_id"].to_pylist())}

    def __getitem__(self, image_id: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = self._rows.slice(self._place[image_id], 1).to_pylist()
        return found[0]

    def __contains__(self, image_id: object) -> bool:
        return image_id in self._place

    def __iter__(self) -> Iterator[str]:
        return iter(self._place)

    def __len__(self) -> int:
        return len(self._place)

    def values(self) -> ValuesView[dict[str, Any]]:
        return _Rows(self, self._rows)


class _Rows(ValuesView[dict[str, Any]]):
    def __init__(self, mapping: RowsByImage, rows: pa.Table) -> None:
        super().__init__(mapping)
        self._rows = rows

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for batch in self._rows.to_batches(max_chunksize=_AT_ONCE):
            yield from batch.to_pylist()
