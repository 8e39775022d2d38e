"""Ways from one page to another: every view has an address, and Back leads to the one before it.

Streamlit's own `switch_page` and `page_link` with parameters leave two steps of history, one of which is
no page that anybody saw (seen with 1.67). These leave one, and are links that a new tab can open too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from urllib.parse import urlencode

import streamlit as st

from repro.reporting.table import literal

OVERVIEW, CONFUSIONS, PAIR, IMAGE, TWO_MODELS, CODING = (
    "./",
    "confusions",
    "pair",
    "image",
    "two_models",
    "coding",
)

RUNS = "runs"
"""The parameter, and the key in the session, of the runs that all pages look at."""

Parameter = str | int | Sequence[str]


def asset(name: str) -> str:
    return files("repro.browser").joinpath("assets", name).read_text(encoding="utf-8")


def script(name: str) -> str:
    """The module `name` with the functions that all of ours share."""
    return asset("links.js") + asset(name)


_navigation = st.components.v2.component(
    "repro_navigation",
    html="<nav class='column'></nav>",
    css=asset("navigation.css"),
    js=script("navigation.js"),
)
_row = st.components.v2.component(
    "repro_links", html="<nav></nav>", css=asset("navigation.css"), js=script("navigation.js")
)
_go = st.components.v2.component("repro_go", js=script("go.js"))


def address(page: str, /, **parameters: Parameter) -> str:
    """Where `page` shows what the parameters say, of the runs that are chosen now."""
    chosen = {RUNS: st.session_state.get(RUNS, []), **parameters}
    query = urlencode({name: value for name, value in chosen.items() if value != ""}, doseq=True)
    return f"{page}?{query}" if query else page


def show_navigation(links: Mapping[str, str], here: str) -> None:
    """The pages below each other: their addresses by title."""
    _navigation(data=[{"text": text, "href": href, "here": text == here} for text, href in links.items()])


def show_links(links: Mapping[str, str], key: str) -> None:
    """Links in a row: their addresses by text, which is shown literally."""
    _row(data=[{"text": literal(text), "href": href, "here": False} for text, href in links.items()], key=key)


def go(href: str) -> None:
    """Leads the browser there; what the script draws after it is seen for a moment only."""
    _go(data=href)
