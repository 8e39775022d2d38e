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

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Counts = NDArray[np.int64]

CELL_PX = 17

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
    cells = [(int(i), int(j)) for i, j in zip(*counts.nonzero(), strict=True)]
    event = st.plotly_chart(
        _figure(rows, columns, counts, cells),
        key="matrix",
        on_select="rerun",
        selection_mode="points",
        config={"displaylogo": False},
        theme="streamlit",
    )
    st.caption("A click on a cell opens it. The right answers, on the diagonal, are not counted.")
    with st.expander("What the groups hold"):
        told = [
            f"**{plain(g.name)}**: {plain(', '.join(map(class_name, g.classes)))}" for g in groups.values()
        ]
        st.caption("\n\n".join(told))  # one element, not forty
    for point in event["selection"]["points"]:
        if (place := point.get("point_index")) is not None:
            go(_address(rows, columns, cells[place]))


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


def _figure(rows: Axis, columns: Axis, counts: Counts, cells: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """Colours by a heat map, which cannot be clicked, under a mark on each cell, which cannot be seen."""
    import numpy as np

    logs = np.full(counts.shape, np.nan)
    np.log10(counts, out=logs, where=counts > 0)
    top = int(counts.max())
    ticks = [n for power in range(6) for n in (10**power, 3 * 10**power) if n <= top] or [1]
    heat = {
        "type": "heatmap",
        "z": logs.tolist(),
        "colorscale": "YlOrRd",
        "zmin": -0.2,
        "zmax": max(float(np.log10(top)), 0.5),
        "hoverinfo": "skip",
        "hoverongaps": False,
        "xgap": 1,
        "ygap": 1,
        "colorbar": {"title": {"text": "errors"}, "tickvals": np.log10(ticks).tolist(), "ticktext": ticks},
    }
    marks = {
        "type": "scatter",
        "mode": "markers",
        "x": [j for _, j in cells],
        "y": [i for i, _ in cells],
        "text": [f"{rows.names[i]} → {columns.names[j]}: {counts[i, j]:,}" for i, j in cells],
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {"symbol": "square", "size": CELL_PX - 2, "opacity": 0},
        "selected": {"marker": {"opacity": 0.8}},
        "unselected": {"marker": {"opacity": 0}},
        "showlegend": False,
    }
    return {"data": [heat, marks], "layout": _layout(rows, columns)}


def _layout(rows: Axis, columns: Axis) -> dict[str, Any]:
    def side(axis: Axis, title: str) -> dict[str, Any]:
        places = list(range(len(axis.names)))
        return {
            "tickvals": places,
            "ticktext": list(axis.names),
            "range": [-0.5, len(places) - 0.5],
            "title": {"text": title},
            "automargin": True,
            "showgrid": False,
            "zeroline": False,
        }

    y = side(rows, "true")
    return {
        "xaxis": {**side(columns, "taken for"), "tickangle": -60, "side": "bottom"},
        "yaxis": {**y, "range": y["range"][::-1]},
        "height": 260 + CELL_PX * max(len(rows.names), 12),
        "hovermode": "closest",
        "dragmode": False,
        "clickmode": "event+select",
        "margin": {"t": 10},
    }
