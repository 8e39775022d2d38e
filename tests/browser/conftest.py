"""The app, started as a user starts it, and a real browser that looks at it.

A test of a page, in five lines:

    def test_overview(page: Page, served: Served) -> None:
        page.goto(f"{served.url}/overview")
        expect(page.get_by_role("heading", name="Overview")).to_be_visible()

`served` is the app on real runs of free photographs; `start_app(runs, data)` starts it on any others. At the
end of each test `page` fails it if a request left this machine, if the console showed an error, or if the
page showed a traceback.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.chromium import WAIT_MS, NoBrowser, Seen, launch_chromium
from tests.browser.photographs import Evaluated, evaluate_photographs
from tests.conftest import CHECKOUT, made_once
from tests.processes import free_port

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page


@dataclass(frozen=True)
class Served:
    """The app, as it answers: its address, and what it was given."""

    url: str
    port: int
    runs: Path
    data: Path | None


@pytest.fixture(scope="session")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Evaluated:
    """Evaluated once for all processes that run tests."""
    return Evaluated(made_once(tmp_path_factory, "photographs", evaluate_photographs))


@pytest.fixture(scope="session")
def start_app() -> Iterator[Callable[..., Served]]:
    """Starts the app as `repro app` does, once for the same runs and images, and ends it with the session."""
    started: dict[tuple[Path, Path | None, Path | None], Served] = {}
    servers = []

    def start(runs: Path, data: Path | None = None, labels: Path | None = None) -> Served:
        if (key := (runs, data, labels)) not in started:
            port = free_port()
            options = [("--runs", runs), ("--data", data), ("--labels", labels), ("--port", port)]
            given = [str(text) for option, value in options if value is not None for text in (option, value)]
            command = [sys.executable, CHECKOUT / "cli.py", "app", "--no-browser", *given]
            with tempfile.TemporaryFile("w+") as said:  # a pipe that nobody reads would fill up
                server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True)
                servers.append(server)
                assert server.stdout
                if str(port) not in server.stdout.readline():  # said once it listens
                    said.seek(0)
                    pytest.fail(f"the app does not start: {said.read()}")
            started[key] = Served(f"http://127.0.0.1:{port}", port, runs, data)
        return started[key]

    yield start
    for server in servers:
        end(server)


def end(server: subprocess.Popen[str]) -> None:
    """With Ctrl-C; one that hangs is killed, and does not keep the others from their end."""
    server.send_signal(signal.SIGINT)
    try:
        server.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        server.kill()
        server.communicate()


@pytest.fixture(scope="session")
def served(start_app: Callable[..., Served], evaluated: Evaluated) -> Served:
    return start_app(evaluated.runs, evaluated.data)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser; where there is none its tests are skipped, but on CI they fail."""
    try:
        with launch_chromium() as browser:
            yield browser
    except NoBrowser as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(str(missing))
        pytest.skip(str(missing))


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """A browser without a past, watched: see the module."""
    seen = Seen()
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(WAIT_MS)
    seen.watch(context)
    yield context
    traced = [page.url for page in context.pages if "Traceback" in page.content()]
    context.close()
    assert seen.hosts <= {"127.0.0.1"}
    assert not seen.errors
    assert not traced


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()
