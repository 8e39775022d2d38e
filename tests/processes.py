"""Processes that tests begin, and the ports on which these listen."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path

from repro.commands.streamlit_server import is_free

# Below 32768: the kernel gives any program one of those above at any moment. Each process that runs tests
# has 200 of its own; the tests of another checkout most likely begin elsewhere among them.
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_PORTS = count(20_000 + 200 * (_WORKER % 60) + os.getpid() % 150)


def free_port() -> int:
    """Gives no port twice: a server takes seconds until it listens on its own."""
    return next(port for port in _PORTS if is_free(port))


def is_alive(pid: str) -> bool:
    """Whether the process still runs; who has ended but was not asked after yet does not."""
    try:
        return Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # the latter: it ended while we read
        return False
