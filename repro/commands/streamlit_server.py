"""The process that serves the error browser: which file, with which settings, from its start to its end."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import repro
from repro.exceptions import Unavailable

ADDRESS = "127.0.0.1"
SECTIONS = ("server", "browser", "client", "logger", "runner")
"""Of the settings, those that are given as flags; the theme is left to the file."""

STARTS_WITHIN_S = 60
ENDS_WITHIN_S = 5


def find_app() -> Path:
    """`apps/errors.py`, in the installed package or in the checkout.

    Raises:
        Unavailable: it is in neither, or Streamlit is not installed.
    """
    if find_spec("streamlit") is None:
        raise Unavailable(
            "the error browser needs the package streamlit, which is not installed",
            hint="pip install streamlit",
        )
    package = Path(repro.__file__).resolve().parent
    for folder in (package, package.parent):
        if (app := folder / "apps" / "errors.py").is_file():
            return app
    raise Unavailable(
        f"the error browser is not part of {package}", hint="in a checkout of repro: pip install -e ."
    )


def read_flags(app: Path) -> list[str]:
    """The settings beside `app` as flags: a user's own files and variables cannot undo them."""
    settings = tomllib.loads((app.parent / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    return [
        f"--{section}.{name}={_text(one)}"
        for section in SECTIONS
        for name, value in settings[section].items()
        for one in (value if isinstance(value, list) else [value])
    ]


def _text(value: str | int | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        if sys.platform != "win32":  # there it would take a port that another holds
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except OSError:
            return False
    return True


@contextmanager
def serve(app: Path, port: int, variables: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """The server of `app`, which listens on `port`, for as long as the block runs; it never outlives it.

    Raises:
        Unavailable: it ended before it listened, or does not listen in time.
    """
    flags = [*read_flags(app), f"--server.port={port}"]
    # -P: the working directory is the user's, and no place to import from.
    command = [sys.executable, "-P", "-m", "repro.browser", "run", *flags, str(app)]
    # Streamlit greets and says good-bye on stdout; what went wrong it says on stderr.
    children: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        environment = _environment(app) | dict(variables)
        # The pipe ends with this process, however that ends, and the server with the pipe.
        children.append(
            subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        )

    try:
        # A signal interrupts the main thread alone: what another one has started is known, and ended.
        with ThreadPoolExecutor(1) as pool:
            pool.submit(start).result()
        _wait_until_it_listens(children[0], port)
        yield children[0]
    finally:
        for child in children:
            _end(child)


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    with child:  # which closes the pipe, and waits
        try:
            child.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:  # an image is being scored: nothing is lost, files are written last
            child.kill()


def _environment(app: Path) -> dict[str, str]:
    """That of this process, in which a checkout's package is found too."""
    if app.parent.parent == Path(repro.__file__).resolve().parent:
        return dict(os.environ)
    checkout = str(app.parent.parent)
    others = os.environ.get("PYTHONPATH")
    return os.environ | {"PYTHONPATH": os.pathsep.join([checkout, others] if others else [checkout])}


def _wait_until_it_listens(child: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < until:
        if child.poll() is not None:
            raise Unavailable(
                f"streamlit ended with code {child.returncode} before it listened on port {port}",
                hint="what it says above, or repro app --port with another port",
            )
        if _is_healthy(port):
            return
        time.sleep(0.1)
    raise Unavailable(f"streamlit does not listen on port {port} after {STARTS_WITHIN_S} seconds")


def _is_healthy(port: int) -> bool:
    connection = http.client.HTTPConnection(ADDRESS, port, timeout=2)
    try:
        connection.request("GET", "/_stcore/health")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
