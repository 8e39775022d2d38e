"""Results made to deceive: what they say is shown as text, and where they lead is not followed."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING

from repro.results.runs import DATA_VARIABLE
from tests.browser.deceived import pictures_of, visit_everything
from tests.browser.hostile import SECRET, write_elsewhere, write_hostile
from tests.browser.payloads import PAYLOADS
from tests.browser.spying import watched_app
from tests.browser.test_door import open_websocket

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser


def test_every_payload_is_a_text_and_nothing_else(chromium: Browser, tmp_path: Path) -> None:
    hostile = write_hostile(tmp_path)
    (tmp_path / "watched").mkdir()
    told = {DATA_VARIABLE: str(hostile.data)}
    with watched_app(tmp_path / "watched", hostile.runs, told) as app:
        found = visit_everything(chromium, app.url, hostile, thorough=False)
        assert not app.outside(hostile.runs, hostile.data)
        assert app.outside(hostile.runs) and app.outside(hostile.data)  # what it reads there is seen
        answer = open_websocket(app.port, "127.0.0.1", "http://evil.example")
        assert answer == http.client.FORBIDDEN  # and nobody is asked who that is
        assert {told for _, told in app.of_network()} == {"127.0.0.1"}
    assert not found.missing
    assert not found.elements
    assert not found.ran + found.asked + found.away + found.dialogs
    assert found.seen.hosts == {"127.0.0.1"}
    assert not found.seen.errors
    assert len(PAYLOADS) >= 40
    assert len(found.places) >= 12
    assert found.wanted >= 6 * len(PAYLOADS)


def test_no_run_shows_what_it_does_not_know(chromium: Browser, tmp_path: Path) -> None:
    elsewhere = write_elsewhere(tmp_path)
    (tmp_path / "watched").mkdir()
    with watched_app(tmp_path / "watched", elsewhere.runs) as app:
        runs = (elsewhere.honest, *elsewhere.run_ids)
        shown = dict(zip(runs, pictures_of(chromium, app.url, runs), strict=True))
    assert shown.pop(elsewhere.honest)[0] == 1
    for run, (n_pictures, said) in shown.items():
        assert n_pictures == 0, run
        assert SECRET not in said and "root:" not in said, run
