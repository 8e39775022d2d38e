"""Debian's Chromium, driven, and watched for what it asks of whom."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

WAIT_MS = 20_000
"""How long a page may take on a machine whose cores are shared."""

HOSTLESS = ("data", "blob", "about")

TOLERATED = (
    # Opened at a page's address, Streamlit looks for its server below that first, then above it.
    re.compile(r"status of 404 .*/[a-z_]+/_stcore/(health|host-config)\)$"),
    # A picture that the next view took the place of before the browser had asked for it.
    re.compile(r"status of 404 .*/media/[0-9a-f]+\.\w+\)$"),
    re.compile(r"^Client Error: Image source error - http://127\.0\.0\.1:\d+/media/"),
)
"""Errors of the console that say nothing about the app, each with its reason."""


class NoBrowser(Exception):
    """What is not installed, in one line."""


@contextmanager
def launch_chromium() -> Iterator[Browser]:
    """The browser; it can look up no name, and so reach no other machine.

    Raises:
        NoBrowser: Playwright or Chromium is not installed.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError as error:
        raise NoBrowser("playwright is not installed: pip install -e '.[dev]'") from error
    if not (program := shutil.which("chromium")):
        raise NoBrowser("chromium is not installed: apt-get install chromium")
    flags = ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
    if os.geteuid() == 0:
        flags.append("--no-sandbox")  # Chromium has none for root
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=flags)
        yield browser
        browser.close()


def settled(page: Page) -> None:
    """Waits until the app's script has run to its end, and the browser has drawn what it said."""
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
    page.wait_for_function(
        "document.querySelector('[data-testid=stMain] [data-testid=stElementContainer]')"
        " && !document.querySelector('[data-testid=stSkeleton]')"
    )
    page.wait_for_timeout(200)


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
        said = f"{message.text} ({message.location['url']})"
        if message.type == "error" and not any(known.search(said) for known in TOLERATED):
            self.errors.append(said)
