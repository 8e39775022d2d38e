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
    """The table under its title, its notes below, and its rows to take away as csv."""
    frame = to_frame(table)
    st.markdown(f"**{plain(table.title)}**")
    st.dataframe(
        frame,
        hide_index=True,
        height=min(len(frame) + 1, MOST_ROWS) * ROW_PX + 3,
        column_config={
            literal(column.header): st.column_config.TextColumn(alignment=column.justify)
            for column in table.columns
        },
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

    headers = [literal(column.header) for column in table.columns]
    rows = [[group.heading, *row] for group in table.groups for row in group.rows]
    frame = pd.DataFrame(
        [[literal(text) for text in row] for row in rows], columns=[table.grouped_by or "Group", *headers]
    )
    return frame if any(group.heading for group in table.groups) else frame[headers]
