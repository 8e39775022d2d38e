"""Ranked pairs as a table on a page: numbers that sort as numbers, and a row that leads to the pair."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from repro.browser.links import PAIR, address, go
from repro.catalogue.classes import class_name
from repro.catalogue.hierarchy import load_hierarchy
from repro.reporting.table import literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from streamlit.elements.lib.column_types import ColumnConfig

_OTHERS = (
    *("True", "Taken for", "Class", "And", "Errors", "Rate", "By chance", "p"),
    *("Both are a kind of", "Depth", "Size ratio", "Main cause"),
)

MOST_PAIRS = 2000
"""A browser keeps up with so many rows; the rest are a filter away."""


def show_pairs(
    pairs: pd.DataFrame, names: Mapping[str, str], *, chance: bool, symmetric: bool = False, key: str
) -> None:
    """The pairs (`rank_pairs`), the most frequent first; a click on one opens it.

    Args:
        pairs: To be shown.
        names: Of the runs, by id: each has a column.
        chance: Whether what chance would give can be told.
        symmetric: Whether both ways were counted together.
        key: Of the table.
    """
    shown = pairs.head(MOST_PAIRS)
    event = st.dataframe(
        _frame(shown, names, chance, symmetric),
        hide_index=True,
        on_select="rerun",
        selection_mode="single-cell",
        column_config=_columns(symmetric),
        alt="Ranked confusions",
        key=key,
    )
    if len(pairs) > MOST_PAIRS:
        st.caption(f"The first {MOST_PAIRS:,} of {len(pairs):,} pairs; filter to see others.")
    if cells := event["selection"]["cells"]:
        row = shown.iloc[cells[0][0]]
        go(address(PAIR, true=int(row["label"]), taken=int(row["predicted"])))


def _frame(pairs: pd.DataFrame, names: Mapping[str, str], chance: bool, symmetric: bool) -> pd.DataFrame:
    import pandas as pd

    hierarchy = load_hierarchy()
    classes = list(zip(pairs["label"], pairs["predicted"], strict=True))
    columns = {
        "Class" if symmetric else "True": [class_name(label) for label, _ in classes],
        "And" if symmetric else "Taken for": [class_name(predicted) for _, predicted in classes],
        "Errors": pairs["count"].to_numpy(),
    }
    if len(names) > 1:
        for run, name in names.items():
            columns[header_of(name)] = [by_run.get(run, 0) for by_run in pairs["by_run"]]
    columns["Rate"] = pairs["rate"].to_numpy()
    if chance:
        columns["By chance"] = pairs["expected"].to_numpy()
        columns["p"] = pairs["p_corrected"].to_numpy()
    columns["Both are a kind of"] = [hierarchy.lowest_common_ancestor(*pair).name for pair in classes]
    columns["Depth"] = pairs["depth"].to_numpy()
    columns["Size ratio"] = pairs["size_ratio"].to_numpy()
    columns["Main cause"] = pairs["main_cause"].to_numpy()
    return pd.DataFrame(columns)


def header_of(name: str) -> str:
    """What heads a run's column; a run called like one of the other columns does not take its place."""
    return f"{literal(name)} " if literal(name) in _OTHERS else literal(name)


def _columns(symmetric: bool) -> dict[str, ColumnConfig | str | None]:
    number = st.column_config.NumberColumn
    of = "both classes" if symmetric else "the true class"
    return {
        "Rate": number(format="percent", help=f"Of the images of {of}."),
        "By chance": number(
            format="%.2f", help="If each class's errors fell on the others as all wrong predictions do."
        ),
        "p": number(format="%.1e", help="Of so many or more by chance, corrected for all pairs."),
        "Depth": number(help="Of what both are a kind of in WordNet: the deeper, the more alike."),
        "Size ratio": number(format="%.1f", help="The larger class by the smaller, estimated."),
    }
