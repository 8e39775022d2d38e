"""The overview's chart in a browser: names from outside are texts of its points and of what they tell."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from repro.analysis.tradeoff import Tradeoff
from repro.commands.streamlit_server import find_app, serve
from repro.reporting.table import literal
from tests.browser.chromium import settled
from tests.browser.payloads import PAYLOADS
from tests.conftest import CHECKOUT
from tests.processes import free_port
from tests.reporting.test_picture import laid

if TYPE_CHECKING:
    from playwright.sync_api import Page

SCRIPT = """
from repro.browser.chart import show_tradeoff
from tests.browser.test_chart_literal import deceiving
show_tradeoff(deceiving())
"""

POINT = "path[aria-roledescription=point]"
TOLD = "#vg-tooltip-element"


def deceiving() -> Tradeoff:
    """A measured point for each payload, which is its model's name, its token mixer's and its note."""
    tradeoff = laid("poolformer_s24")
    (point,) = tradeoff.measured
    measured = tuple(
        replace(
            point,
            row=replace(point.row, label=payload, token_mixer=payload, notes=(payload,)),
            cost=point.cost + Decimal(n) / 10,
        )
        for n, payload in enumerate(PAYLOADS.values())
    )
    return replace(tradeoff, measured=measured)


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """Asked for before `page`, it outlives it."""
    app = tmp_path / "chart.py"
    app.write_text(SCRIPT)
    shutil.copytree(find_app().parent / ".streamlit", tmp_path / ".streamlit")
    port = free_port()
    with serve(app, port, {"PYTHONPATH": str(CHECKOUT)}):
        yield f"http://127.0.0.1:{port}"


def test_every_name_is_a_text_of_its_point(url: str, page: Page) -> None:
    page.goto(url)
    points = page.locator(POINT)
    points.first.wait_for()
    settled(page)
    n_points = points.count()
    said = {points.nth(n).get_attribute("aria-label") for n in range(n_points)}
    assert {literal(payload) for payload in PAYLOADS.values()} <= said
    told = set()
    for n in range(n_points - len(PAYLOADS), n_points):
        points.nth(n).hover(force=True)
        page.locator(TOLD).wait_for()
        told.add(page.locator(f"{TOLD} td.value").first.text_content())
        assert page.locator(f"{TOLD} :is(a, img, script, iframe, svg, b, i, style)").count() == 0
    assert told == set(map(literal, PAYLOADS.values()))
    assert page.evaluate("window.evil") is None
