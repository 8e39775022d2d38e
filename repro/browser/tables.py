"""The house's tables on a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from repro.browser.texts import plain
from repro.reporting.table import Table, literal, to_csv

if TYPE_CHECKING:
    import pandas as pd

ROW_PX = 35

MOST_ROWS = 20
"""A longer table scrolls in itself."""


def show_table(table: Table, key: str) -> None:
    """The table under its title, its notes below; `offer_csv` gives its rows to take away."""
    frame = to_frame(table)
    justified = dict(zip(_headers(table), (column.justify for column in table.columns), strict=True))
    st.markdown(f"**{plain(table.title)}**")
    st.dataframe(
        frame,
        hide_index=True,
        height=min(len(frame) + 1, MOST_ROWS) * ROW_PX + 3,
        column_config={
            header: st.column_config.TextColumn(alignment=justify) for header, justify in justified.items()
        },
        column_order=_most_telling_first(table, frame),
        alt=literal(table.title),
        key=key,
    )
    for note in table.notes:
        st.caption(plain(note))


def offer_csv(table: Table, name: str) -> None:
    """A button that saves the table's rows as `name`."""
    st.download_button(
        "Save as csv", to_csv(table), name, "text/csv", icon=":material/download:", on_click="ignore"
    )


def to_frame(table: Table) -> pd.DataFrame:
    """The rows as texts; the groups' headings become the first column."""
    import pandas as pd

    headers = _headers(table)
    rows = [[group.heading, *row] for group in table.groups for row in group.rows]
    frame = pd.DataFrame(
        [[literal(text) for text in row] for row in rows], columns=[table.grouped_by or "Group", *headers]
    )
    return frame if any(group.heading for group in table.groups) else frame[headers]


def _most_telling_first(table: Table, frame: pd.DataFrame) -> list[str]:
    """The columns in an order in which those that a terminal would leave out come last."""
    drops = dict(zip(_headers(table), (column.drop for column in table.columns), strict=True))
    return sorted(map(str, frame), key=lambda header: drops.get(header, 0))


def _headers(table: Table) -> list[str]:
    """The columns' headers; spaces tell apart those of the same name, as a frame needs."""
    headers: list[str] = []
    for column in table.columns:
        header = literal(column.header)
        while header in headers:
            header += " "
        headers.append(header)
    return headers
