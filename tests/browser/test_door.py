"""Who may come in: this machine alone, by its own name, and nobody is told of the visit."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from repro.commands.streamlit_server import serve
from tests.browser.conftest import Served
from tests.conftest import CHECKOUT
from tests.processes import free_port

if TYPE_CHECKING:
    from playwright.sync_api import Page

SECRET = "what-the-exception-says"

PROBE = f"""
import json
import streamlit as st

if "boom" in st.query_params:
    raise RuntimeError({SECRET!r})
st.title("probe")
options = st.query_params.get_all("option")
st.code(json.dumps({{name: st.get_option(name) for name in options}}), language=None)
"""

SETTINGS = {
    "server.address": "127.0.0.1",
    "server.allowedHosts": ["localhost", "127.0.0.1"],
    "server.baseUrlPath": "",
    "server.enableCORS": True,
    "server.enableStaticServing": False,
    "server.enableXsrfProtection": True,
    "server.fileWatcherType": "none",
    "server.headless": True,
    "server.maxUploadSize": 1,
    "browser.gatherUsageStats": False,
    "browser.serverAddress": "127.0.0.1",
    "client.disableDataExport": True,
    "client.showErrorDetails": "none",
    "client.toolbarMode": "minimal",
}

CONTRARY = {
    "STREAMLIT_SERVER_ADDRESS": "0.0.0.0",
    "STREAMLIT_SERVER_ALLOWED_HOSTS": "*",
    "STREAMLIT_SERVER_BASE_URL_PATH": "elsewhere",
    "STREAMLIT_SERVER_ENABLE_CORS": "false",
    "STREAMLIT_SERVER_ENABLE_STATIC_SERVING": "true",
    "STREAMLIT_SERVER_ENABLE_XSRF_PROTECTION": "false",
    "STREAMLIT_SERVER_FILE_WATCHER_TYPE": "auto",
    "STREAMLIT_SERVER_MAX_UPLOAD_SIZE": "200",
    "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "true",
    "STREAMLIT_BROWSER_SERVER_ADDRESS": "evil.example",
    "STREAMLIT_CLIENT_DISABLE_DATA_EXPORT": "false",
    "STREAMLIT_CLIENT_SHOW_ERROR_DETAILS": "full",
    "STREAMLIT_CLIENT_TOOLBAR_MODE": "developer",
}
"""What a user's own settings may say."""


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A page that tells its settings, behind the same door, where everything around is set otherwise."""
    folder = tmp_path_factory.mktemp("probe") / "apps"
    shutil.copytree(CHECKOUT / "apps" / ".streamlit", folder / ".streamlit")
    (folder / "static").mkdir()
    (folder / "static" / "kept.txt").write_text("not to be served")
    app = folder / "errors.py"
    app.write_text(PROBE)
    port = free_port()
    with serve(app, port, CONTRARY):
        yield Served(f"http://127.0.0.1:{port}", port, folder, None)


def ask(port: int, path: str, **headers: str) -> tuple[int, bytes]:
    """Sends `path` as it stands: no client tidies it first."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request(
            "GET", path, headers={name.replace("_", "-"): text for name, text in headers.items()}
        )
        answer = connection.getresponse()
        return answer.status, b"" if answer.status == http.client.SWITCHING_PROTOCOLS else answer.read()


def open_websocket(port: int, host: str, origin: str) -> int:
    """The status with which the server answers: 101 lets the visitor in."""
    upgrade = {
        "Host": host,
        "Origin": origin,
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec_WebSocket_Version": "13",
        "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    return ask(port, "/_stcore/stream", **upgrade)[0]


def other_addresses() -> list[str]:
    """Addresses of this machine that are not 127.0.0.1."""
    if not (hostname := shutil.which("hostname")):
        return ["127.0.0.2"]
    named = subprocess.run([hostname, "-I"], capture_output=True, text=True, check=False).stdout.split()
    return ["127.0.0.2", *(address for address in named if ":" not in address)]


def test_the_real_app_opens(page: Page, served: Served) -> None:
    from playwright.sync_api import expect

    page.goto(served.url)
    expect(page.get_by_test_id("stApp")).to_be_visible()
    expect(page.get_by_role("heading").first).to_be_visible()
    expect(page.get_by_test_id("stAppDeployButton")).to_have_count(0)


def test_only_one_address_of_this_machine_answers(served: Served) -> None:
    for address in other_addresses():
        with socket.socket() as visitor:
            visitor.settimeout(2)
            # The fixture that keeps tests on loopback guards `connect`; this address is our own.
            assert visitor.connect_ex((address, served.port)) != 0, address


def test_its_own_visitors_come_in(served: Served) -> None:
    for name in ("127.0.0.1", "localhost"):
        host = f"{name}:{served.port}"
        assert open_websocket(served.port, host, f"http://{host}") == http.client.SWITCHING_PROTOCOLS


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("evil.example", "http://evil.example"),  # a name that was made to point here
        ("127.0.0.1.evil.example", "http://127.0.0.1.evil.example"),
        ("127.0.0.1", "http://evil.example"),  # a page elsewhere that asks for us
        ("127.0.0.1", "null"),
    ],
)
def test_others_do_not(served: Served, host: str, origin: str) -> None:
    assert open_websocket(served.port, host, origin) == http.client.FORBIDDEN


def test_a_page_by_another_name_is_empty(served: Served) -> None:
    """Streamlit refuses a foreign host the connection through which everything comes, not the empty page."""
    status, body = ask(served.port, "/", Host="evil.example")
    assert status >= 400 or body == ask(served.port, "/")[1]
    assert not [run.name for run in served.runs.iterdir() if run.name.encode() in body]


@pytest.mark.parametrize(
    "path",
    [
        "/../../../../etc/passwd",
        "/..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/app/static/kept.txt",
        "/app/static/..%2ferrors.py",
        "/app/static/../errors.py",
        "/media/../errors.py",
        "/media/..%2f..%2fetc%2fpasswd",
        "/media//etc/passwd",
        "/~/+/media/../errors.py",
        "/~/+/app/static/kept.txt",
        "/component/../../etc/passwd",
        "/component/x/..%2f..%2fetc%2fpasswd",
        "/static/..%2f..%2f..%2fetc%2fpasswd",
        "/static/../../../../../../etc/passwd",
        "//etc/passwd",
        "/.streamlit/config.toml",
        "/errors.py",
    ],
)
def test_no_path_leads_to_a_file(probe: Served, path: str) -> None:
    status, body = ask(probe.port, path)
    # An unknown path is a page's address to Streamlit, which answers it with its one empty page.
    assert status >= 400 or body == ask(probe.port, "/")[1]
    for mark in (b"root:", b"not to be served", b"st.query_params", b"gatherUsageStats ="):
        assert mark not in body


def test_no_user_setting_opens_the_door(page: Page, probe: Served) -> None:
    page.goto(f"{probe.url}/?" + "&".join(f"option={name}" for name in SETTINGS))
    shown = page.get_by_test_id("stCode").inner_text()
    assert json.loads(shown) == SETTINGS


def test_an_error_shows_nothing_of_the_code(page: Page, probe: Served) -> None:
    page.goto(f"{probe.url}/?boom=1")
    page.get_by_test_id("stException").wait_for()
    shown = page.content()
    for told in (SECRET, "RuntimeError", "errors.py", os.fspath(probe.runs), "google.com", "chatgpt.com"):
        assert told not in shown
