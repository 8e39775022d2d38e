"""What a process asks of files and of the network, whoever in it asks: told by Python's own audit events."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from mimetypes import knownfiles
from pathlib import Path
from tempfile import gettempdir

from repro.commands.streamlit_server import find_app, serve
from repro.results.runs import RUNS_VARIABLE
from tests.conftest import CHECKOUT
from tests.processes import free_port

# Python imports a module of this name when it starts, if it finds one.
SPY = """
import json, os, sys
log = os.open({log!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
PATHS = ("open", "os.listdir", "os.scandir", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink")
NET = ("socket.bind", "socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname")
STARTS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn")
def note(event, arguments):
    if event in PATHS or event in STARTS:
        told = arguments[0]
    elif event in NET:
        told = arguments[0] if event.startswith("socket.get") else arguments[1]
        told = told[0] if isinstance(told, tuple) else told
    else:
        return
    if isinstance(told, int):
        return
    if event in ("open", "os.listdir", "os.scandir"):
        told = os.path.abspath(os.fsdecode(told if told is not None else "."))
    os.write(log, (json.dumps([event, str(told)]) + "\\n").encode())
sys.addaudithook(note)
"""


SYSTEM = {"/dev/null", "/etc/machine-id", *knownfiles}
"""Files of the system that libraries look at when they are imported."""


def own_places() -> list[Path]:
    """Where Python, its packages, their caches and settings lie, and what the kernel tells of the machine."""
    python = [Path(place) for place in (*sys.path, sys.prefix, sys.base_prefix) if place]
    home = [Path.home() / name for name in (".cache", ".config", ".streamlit")]
    return [
        *python,
        *home,
        CHECKOUT,
        *map(Path, ("/proc", "/sys", "/usr/share/zoneinfo", "/usr/share/fonts")),
    ]


@dataclass(frozen=True)
class Watched:
    """A server of the app, and where its process writes down what it does."""

    url: str
    port: int
    log: Path

    def events(self) -> list[tuple[str, str]]:
        """Every event and what it was about, in the order of time."""
        return [tuple(json.loads(line)) for line in self.log.read_text().splitlines()]

    def paths(self) -> set[str]:
        """All files and folders that were opened, absolute."""
        return {told for event, told in self.events() if event in ("open", "os.listdir", "os.scandir")}

    def outside(self, *allowed: Path) -> set[str]:
        """The paths that are neither below `allowed`, nor Python's, nor the system's own."""
        places = tuple(str(path) for path in (*allowed, self.log.parent, *own_places()))
        return {
            path
            for path in self.paths()
            if not (path.startswith(places) or path in SYSTEM or str(Path(path).parent) == gettempdir())
        }

    def of_network(self) -> list[tuple[str, str]]:
        return [(event, told) for event, told in self.events() if event.startswith("socket.")]


@contextmanager
def watched_app(folder: Path, runs: Path, variables: Mapping[str, str] | None = None) -> Iterator[Watched]:
    """The app on these runs, watched from its first moment; `folder` takes the log, and is the app's cwd."""
    spy = folder / "spy"
    spy.mkdir()
    log = folder / "events.jsonl"
    (spy / "sitecustomize.py").write_text(SPY.format(log=str(log)))
    port = free_port()
    told = {
        RUNS_VARIABLE: str(runs),
        "PYTHONPATH": os.pathsep.join((str(spy), str(CHECKOUT))),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    with serve(find_app(), port, told | dict(variables or {})):
        yield Watched(f"http://127.0.0.1:{port}", port, log)
