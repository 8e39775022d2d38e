"""Texts from outside as Streamlit shows them: literally."""

from __future__ import annotations

import re

import streamlit as st

from repro.exceptions import ReproError
from repro.reporting.table import literal

_ACTING = re.compile(r"([!-/:-@\[-`{-~])")
"""All of ASCII's punctuation: what Markdown, its extensions and Streamlit's own directives begin with."""

_MADE_LATER = re.compile(r"(?<=:)(?=\S)|(?<=\S)(?=@)|(?<=www)(?=\.)|(?<=[<>~=-])(?=[<>~=-])", re.IGNORECASE)
"""Where addresses, icons and arrows hold together, which are made of text whose escapes are gone already."""

_APART = ":small[]"
"""An empty element: what stands on its two sides is no longer one text, and nobody sees or copies it."""

_SPACES = re.compile(r"\s+")


def plain(text: str) -> str:
    """`text` for a label, a caption or a paragraph, which Streamlit would take for Markdown."""
    parts = _MADE_LATER.split(_SPACES.sub(" ", literal(text)).strip())
    return _APART.join(_ACTING.sub(r"\\\1", part) for part in parts)


def show_error(error: ReproError) -> None:
    """What went wrong in one line, and what to run below it."""
    st.error(plain(str(error)), icon=":material/error:")
    if error.hint:
        st.caption("Try:")
        st.code(literal(error.hint), language=None)
