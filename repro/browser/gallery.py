"""Photographs with what was answered and what it rested on: cards in a grid, each a link to its image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import streamlit as st

from repro.browser.heat_maps import MapView
from repro.browser.links import asset, script
from repro.reporting.table import literal

PAGE = 48
"""Images a page."""

_gallery = st.components.v2.component(
    "repro_gallery", html="<div class='gallery'></div>", css=asset("gallery.css"), js=script("gallery.js")
)


@dataclass(frozen=True, slots=True)
class ModelView:
    """What one model says of an image, in words, and the heat maps of its answer."""

    text: str
    maps: tuple[MapView, ...] = ()


@dataclass(frozen=True, slots=True)
class Card:
    """An image; texts are shown literally. `src` is its picture, `map` what lies over it, as data URIs.

    Without `src`, `missing` says why. Without `href` it is no link.
    """

    href: str
    title: str
    lines: tuple[str, ...]
    models: tuple[ModelView, ...]
    src: str = ""
    map: str = ""
    missing: str = ""
    alt: str = ""


def show_gallery(cards: Sequence[Card], key: str, width_px: int = 220) -> None:
    """The cards in a grid, each at least `width_px` wide where the window is."""
    _gallery(data={"cards": [_plain(card) for card in cards], "width_px": width_px}, key=key)


def _plain(card: Card) -> Mapping[str, Any]:
    shown: Mapping[str, Any] = _literal(asdict(card))
    return shown


def _literal(value: Any) -> Any:
    """The value with all its texts literal; in addresses and data URIs nothing acts."""
    if isinstance(value, str):
        return literal(value)
    if isinstance(value, Mapping):
        return {name: _literal(one) for name, one in value.items()}
    return [_literal(one) for one in value] if isinstance(value, list | tuple) else value


def choose_opacity() -> None:
    """A slider of how strongly heat maps cover the photographs; the browser redraws without asking."""
    percent = st.slider("Heat maps cover (%)", 0, 100, 60, step=5, key="opacity", bind="query-params")
    st.html(f"<style>:root {{ --repro-opacity: {percent / 100:.2f}; }}</style>")


def choose_page(n: int) -> slice:
    """Which of `n` images are shown: a page of them, chosen below the gallery's head."""
    n_pages = max(-(-n // PAGE), 1)
    page = st.pagination(n_pages, key="page", bind="query-params") if n_pages > 1 else 1
    return slice((page - 1) * PAGE, page * PAGE)
