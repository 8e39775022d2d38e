"""The app listens on this computer only and sends nothing: what its server and a browser ask of whom."""

from __future__ import annotations

import http.client
import socket
import tempfile
from pathlib import Path

from repro.results.runs import DATA_VARIABLE
from tests.proof.bad_input import table_of
from tests.proof.promises import Skipped

LOOPBACK = "127.0.0.1"
LOOKUPS = ("socket.getaddrinfo", "socket.gethostbyname", "socket.sendto")


def check(n: int) -> dict[str, int]:
    """Goes through every page with `n` batches of runs, then knocks at the door as others would.

    Raises:
        Skipped: there is no browser.
    """
    from tests.browser import test_door
    from tests.browser.chromium import NoBrowser, launch_chromium
    from tests.browser.deceived import Visit, visit_batch, visit_images
    from tests.browser.hostile import write_hostile
    from tests.browser.spying import watched_app

    with tempfile.TemporaryDirectory() as folder:
        hostile = write_hostile(Path(folder))
        told = {DATA_VARIABLE: str(hostile.data)}
        watched = Path(folder) / "watched"
        watched.mkdir()
        try:
            with watched_app(watched, hostile.runs, told) as app, launch_chromium() as browser:
                visit = Visit(browser, app.url, ())
                for batch in hostile.batches[:n]:
                    visit_batch(visit, batch, (), every_page=True)
                    visit_images(visit, batch, batch.photographs[:1])
                callers = table_of(test_door.test_others_do_not)
                answers = [test_door.open_websocket(app.port, *caller) for caller in callers]
                own = test_door.open_websocket(app.port, f"{LOOPBACK}:{app.port}", app.url)
                addresses = test_door.other_addresses()
                closed = [_is_closed(address, app.port) for address in addresses]
                events = app.of_network()
        except NoBrowser as missing:
            raise Skipped(str(missing)) from missing
    found = visit.found
    return {
        "pages": found.pages,
        "requests": found.requests,
        "elsewhere": len(found.away),
        "listening": sum(event == "socket.bind" for event, _ in events),
        "on_others": sum(event == "socket.bind" and address != LOOPBACK for event, address in events),
        "connections": sum(event == "socket.connect" for event, _ in events),
        "lookups": sum(event in LOOKUPS for event, _ in events),
        "callers": len(callers),
        "refused": answers.count(http.client.FORBIDDEN),
        "own_let_in": int(own == http.client.SWITCHING_PROTOCOLS),
        "addresses": len(addresses),
        "closed": sum(closed),
    }


def _is_closed(address: str, port: int) -> bool:
    with socket.socket() as visitor:
        visitor.settimeout(2)
        return visitor.connect_ex((address, port)) != 0
