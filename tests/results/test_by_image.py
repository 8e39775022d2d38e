"""Rows looked at one by one are those of the whole table."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.results.by_image import RowsByImage
from repro.results.predictions import SCHEMA

Rows = dict[str, dict[str, Any]]

ROWS = st.dictionaries(
    st.text("abc", min_size=1, max_size=3),
    st.tuples(st.integers(0, 999), st.lists(st.integers(0, 999), min_size=1, max_size=5)),
    max_size=12,
).map(
    lambda found: {
        image_id: {"image_id": image_id, "path": "", "label": label, "status": "ok", "top5": top5}
        for image_id, (label, top5) in found.items()
    }
)


@given(ROWS, st.integers(1, 5))
def test_it_is_a_mapping_like_a_dict_of_the_same_rows(rows: Rows, chunk: int) -> None:
    parts = [list(rows.values())[i : i + chunk] for i in range(0, len(rows), chunk)]
    table = pa.concat_tables([SCHEMA.empty_table(), *(pa.Table.from_pylist(part, SCHEMA) for part in parts)])
    found = RowsByImage(table)
    expected = {row["image_id"]: row for row in table.to_pylist()}
    assert dict(found.items()) == dict(found) == expected
    assert list(found) == list(rows)
    assert list(found.values()) == list(expected.values())
    assert len(found) == len(found.values()) == len(rows)
    assert all(image_id in found for image_id in rows)
    assert "nowhere" not in found and found.get("nowhere") is None
    with pytest.raises(KeyError):
        found["nowhere"]
