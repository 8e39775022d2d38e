"""The confusion matrix as a picture that can be clicked: groups of classes, and within them the classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st

from repro.analysis.matrix import count_matrix
from repro.browser.links import CONFUSIONS, PAIR, RUNS, address, go
from repro.browser.texts import plain
from repro.catalogue.class_groups import ClassGroup, class_groups
from repro.catalogue.classes import class_name
from repro.reporting.table import literal

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Counts = NDArray[np.int64]

CELL_PX = 18

CLICKED = "clicked"

_AXIS = {"labelLimit": 260, "labelOverlap": False, "labelFlush": False, "domain": False, "ticks": False}

ALL = "all groups"


@dataclass(frozen=True, slots=True)
class Axis:
    """What stands along one side: the name of each place, and its classes, of which a group has several."""

    names: tuple[str, ...]
    classes: tuple[tuple[int, ...], ...]
    are_groups: bool


def show_matrix(pairs: pd.DataFrame) -> None:
    """The pairs (directed, of `rank_pairs`) as a matrix; a click leads into two groups, or to a pair."""
    groups = {group.name: group for group in class_groups()}
    left, right = st.columns(2)
    rows_of = left.selectbox("True classes", [ALL, *groups], key="rows", bind="query-params")
    columns_of = right.selectbox("Taken for", [ALL, *groups], key="columns", bind="query-params")
    rows, columns = (_axis(groups.get(name or ALL)) for name in (rows_of, columns_of))
    counts = count_matrix(pairs, rows.classes, columns.classes)
    if not counts.any():
        st.info("No error is between these. Choose other groups, or loosen a filter.")
        return
    rows, columns, counts = _without_empty(rows, columns, counts)
    event = st.vega_lite_chart(
        to_spec(rows, columns, counts),
        key=f"matrix of {rows_of}, {columns_of}",  # another one has nothing clicked
        on_select="rerun",
        selection_mode=CLICKED,
        theme="streamlit",
    )
    st.caption("A click on a cell opens it. The right answers, on the diagonal, are not counted.")
    with st.expander("What the groups hold"):
        told = [
            f"**{plain(g.name)}**: {plain(', '.join(map(class_name, g.classes)))}" for g in groups.values()
        ]
        st.caption("\n\n".join(told))  # one element, not forty
    for cell in event["selection"].get(CLICKED, []):
        go(_address(rows, columns, (int(cell["row"]), int(cell["column"]))))


def _axis(group: ClassGroup | None) -> Axis:
    """The groups themselves; of one group its classes."""
    if group is None:
        groups = class_groups()
        return Axis(tuple(g.name for g in groups), tuple(g.classes for g in groups), True)
    return Axis(tuple(map(class_name, group.classes)), tuple((index,) for index in group.classes), False)


def _without_empty(rows: Axis, columns: Axis, counts: Counts) -> tuple[Axis, Axis, Counts]:
    """Without places that have no error at all."""
    i, j = (sorted(set(places.tolist())) for places in counts.nonzero())
    return _places(rows, i), _places(columns, j), counts[i][:, j]


def _places(axis: Axis, places: Sequence[int]) -> Axis:
    names = tuple(axis.names[i] for i in places)
    return Axis(names, tuple(axis.classes[i] for i in places), axis.are_groups)


def _address(rows: Axis, columns: Axis, cell: tuple[int, int]) -> str:
    """Where a cell leads: to the pair, or to the matrix with its groups opened."""
    i, j = cell
    if not (rows.are_groups or columns.are_groups):
        return address(PAIR, true=rows.classes[i][0], taken=columns.classes[j][0])
    opened = {
        name: axis.names[place]
        for name, axis, place in (("rows", rows, i), ("columns", columns, j))
        if axis.are_groups
    }
    kept = {name: st.query_params.get_all(name) for name in st.query_params if name not in (RUNS, *opened)}
    return address(CONFUSIONS, **kept, **opened)


def to_spec(rows: Axis, columns: Axis, counts: Counts) -> dict[str, Any]:
    """The matrix as Vega-Lite: a square for each cell with errors, coloured by the logarithm of how many."""
    cells = [
        {
            "row": int(i),
            "column": int(j),
            "true": literal(rows.names[i]),
            "taken for": literal(columns.names[j]),
            "errors": int(counts[i, j]),
            "told": literal(f"{rows.names[i]} → {columns.names[j]}: {counts[i, j]:,}"),
        }
        for i, j in zip(*counts.nonzero(), strict=True)
    ]
    colour = {"type": "log", "scheme": "yelloworangered", "domain": [1, max(int(counts.max()), 2)]}
    return {
        "data": {"values": cells},
        "height": {"step": CELL_PX},
        "params": [{"name": CLICKED, "select": {"type": "point", "fields": ["row", "column"]}}],
        "mark": {"type": "rect", "cursor": "pointer"},
        "encoding": {
            "x": _side("taken for", columns) | {"axis": {"labelAngle": -60, "orient": "bottom", **_AXIS}},
            "y": _side("true", rows) | {"axis": _AXIS},
            "color": {"field": "errors", "type": "quantitative", "scale": colour},
            "tooltip": {"field": "told", "type": "nominal"},
            "description": {"field": "told", "type": "nominal"},
        },
    }


def _side(title: str, axis: Axis) -> dict[str, Any]:
    names = list(map(literal, axis.names))
    return {
        "field": title,
        "type": "nominal",
        "sort": names,
        "scale": {"domain": names, "paddingInner": 0.06},
    }
