"""Texts from outside: whatever stands in them, a reader sees them as they are."""

from __future__ import annotations

import re
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from repro.browser.texts import plain
from repro.reporting.table import literal

APART = ":small[]"
"""What `plain` puts where Streamlit would make an address or an icon: an empty element of its own."""


def as_read(text: str) -> str:
    """What Markdown, with everything switched on, makes of a text, its tags taken away; no tag but `p`."""
    html = MarkdownIt("gfm-like", {"linkify": False}).render(f"x{text.replace(APART, '')}")
    assert set(re.findall(r"</?(\w+)", html)) <= {"p"}
    return unescape(re.sub(r"</?p>", "", html)).strip().removeprefix("x")


@given(st.text())
def test_markdown_shows_a_text_as_it_is(text: str) -> None:
    assert as_read(plain(text)).split() == literal(re.sub(r"\s", " ", text)).split() or "\\u" in plain(text)


ACTING = (
    *(":red[x]", ":material/delete:", "$x^2$", ":smile:", "[a](http://b)", "![a](b)", "<b>x</b>", "`x`"),
    *("# x", "- x", "1. x", "| a | b |", "~~x~~", "http://example.org", "a_b_c", "**x**", "&lt;"),
)


@pytest.mark.parametrize("text", ACTING)
def test_no_directive_and_no_mark_is_left_to_act(text: str) -> None:
    acting = re.findall(r"(?<!\\)[^\w\s\\]", plain(text).replace(APART, ""))
    assert not acting
    assert as_read(plain(text)) == text
