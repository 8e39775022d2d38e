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
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from filelock import FileLock

from tests.browser.photographs import write_photographs
from tests.conftest import CHECKOUT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

MODELS = "efficientnet_lite0,efficientnet_lite1,efficientnet_lite2"
WAIT_MS = 20_000
"""How long a page may take on a machine whose cores are shared."""

HOSTLESS = ("data", "blob", "about")

TOLERATED: tuple[re.Pattern[str], ...] = ()
"""Errors of the console that say nothing about the app, each with its reason."""


@dataclass(frozen=True)
class Served:
    """The app, as it answers: its address, and what it was given."""

    url: str
    port: int
    runs: Path
    data: Path | None


@dataclass(frozen=True)
class Evaluated:
    """The free photographs, and the runs of three small models on them."""

    data: Path
    runs: Path


@dataclass
class Seen:
    """What a browser did: the hosts it asked, and what its console complained of."""

    hosts: set[str] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)

    def watch(self, context: BrowserContext) -> None:
        context.on("request", lambda request: self._asked(request.url))
        context.on("console", self._said)
        context.on("weberror", lambda error: self.errors.append(str(error.error)))
        context.on("page", lambda page: page.on("websocket", lambda socket: self._asked(socket.url)))

    def _asked(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in HOSTLESS:
            self.hosts.add(parts.hostname or url)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not any(known.search(message.text) for known in TOLERATED):
            self.errors.append(f"{message.text} ({message.location['url']})")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Evaluated:
    """Evaluated once for all processes that run tests."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "photographs"
    made = Evaluated(folder / "photographs", folder / "runs")
    with FileLock(f"{folder}.lock"):
        if not folder.is_dir():
            write_photographs(made.data)
            arguments = ["--models", MODELS, "--data", str(made.data), "--runs", str(made.runs)]
            command = [sys.executable, CHECKOUT / "cli.py", "eval", *arguments, "--workers", "0"]
            subprocess.run(command, check=True, capture_output=True)
    return made


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
            server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            servers.append(server)
            assert server.stdout and server.stderr
            if str(port) not in server.stdout.readline():  # said once it listens
                pytest.fail(f"the app does not start: {server.stderr.read()}")
            started[key] = Served(f"http://127.0.0.1:{port}", port, runs, data)
        return started[key]

    yield start
    for server in servers:
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=20)


@pytest.fixture(scope="session")
def served(start_app: Callable[..., Served], evaluated: Evaluated) -> Served:
    return start_app(evaluated.runs, evaluated.data)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, which can look up no name and so reach no other machine."""
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        _go_without("playwright is not installed")
    if not (program := shutil.which("chromium")):
        _go_without("chromium is not installed: apt-get install chromium")
    flags = ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
    if os.geteuid() == 0:
        flags.append("--no-sandbox")  # Chromium has none for root
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=flags)
        yield browser
        browser.close()


def _go_without(reason: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


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
