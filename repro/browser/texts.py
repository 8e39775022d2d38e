"""Texts from outside as Streamlit shows them: literally."""

from __future__ import annotations

import re

import streamlit as st

from repro.exceptions import ReproError
from repro.reporting.table import literal

_ACTING = re.compile(r"([!-/:-@\[-`{-~])")
"""All of ASCII's punctuation: what Markdown, its extensions and Streamlit's own directives begin with."""

_SPACES = re.compile(r"\s+")


def plain(text: str) -> str:
    """`text` for a label, a caption or a paragraph, which Streamlit would take for Markdown."""
    return _ACTING.sub(r"\\\1", _SPACES.sub(" ", literal(text)).strip())


def show_error(error: ReproError) -> None:
    """What went wrong in one line, and what to run below it."""
    st.error(plain(str(error)), icon=":material/error:")
    if error.hint:
        st.caption("Try:")
        st.code(literal(error.hint), language=None)
