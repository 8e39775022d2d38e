"""With weights in the cache nothing is asked of anybody: no request, no connection, no name looked up."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.hub import LoopbackHub, save_test_resnet

TAG = "test_resnet.r160_in1k"

# An audit hook sees what Python does to sockets, whoever asks for it, and is inherited by loader processes.
SPY = """
import os, sys
log = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
def note(event, arguments):
    address = arguments[1] if event == "socket.connect" else arguments[0] if arguments else ""
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        os.write(log, f"lookup {address!r}\\n".encode())
    elif event == "socket.connect" and isinstance(address, tuple):
        os.write(log, f"connect {address[0]}\\n".encode())
sys.addaudithook(note)
sys.argv = ["repro", *sys.argv[2:]]
from repro.commands import main
main()
"""

LOOPBACK = ("127.0.0.1", "::1")


def check(n: int) -> dict[str, int]:
    """Fills a cache from a hub on the loopback address, then evaluates `n` times while that hub listens.

    `filling` counts the connections that the first evaluation made, and shows that the spy sees them.
    """
    with tempfile.TemporaryDirectory() as folder:
        save_test_resnet(Path(folder) / "hub" / f"timm/{TAG}" / "model.safetensors")
        with LoopbackHub(Path(folder) / "hub") as hub:
            environment = hub.environment(Path(folder) / "home")
            filling = _evaluate(Path(folder), "filling", environment)
            asked = len(hub.requests)
            later = [_evaluate(Path(folder), f"run{i}", environment) for i in range(n)]
            requests = len(hub.requests) - asked
    seen = [event for events in later for event in events]
    beyond = [event for event in seen + filling if event.startswith("connect") and event[8:] not in LOOPBACK]
    return {
        "filling": sum(event.startswith("connect") for event in filling),
        "evaluations": len(later),
        "requests": requests,
        "connections": sum(event.startswith("connect") for event in seen),
        "lookups": sum(event.startswith("lookup") for event in seen),
        "beyond": len(beyond),
    }


def _evaluate(folder: Path, name: str, environment: dict[str, str]) -> list[str]:
    """What the spy saw of an evaluation in a folder of its own, with a loader process."""
    log, runs = folder / f"{name}.log", folder / name
    evaluation = ["eval", "--models", f"timm:{TAG}", "--workers", "1", "--runs", str(runs)]
    command = [sys.executable, "-c", SPY, str(log), *evaluation]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return log.read_text().splitlines()
