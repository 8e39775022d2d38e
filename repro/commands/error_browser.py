"""The verb that opens the error browser: `repro app`."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from repro.commands.door import RunsOption, tell
from repro.datasets.address import as_address
from repro.exceptions import Unavailable, UsageError
from repro.results.runs import DATA_VARIABLE, LABELS_VARIABLE, RUNS_VARIABLE, runs_folder

PORT = 8501
N_PORTS = 100


def app(
    runs: RunsOption = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Where the images are now.  [default: $REPRO_DATA, else where they were]", show_default=False
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            help="Labels of a flat folder: a csv of name,label, or the ILSVRC2012 devkit's folder.  "
            "[default: $REPRO_LABELS]",
            show_default=False,
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65535,
            help=f"Where it listens.  [default: {PORT}, or the next free]",
            show_default=False,
        ),
    ] = None,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open it in the default browser.")
    ] = True,
) -> None:
    """Browse the errors: confusions, their photographs, and what the models looked at.

    It answers this machine alone, sends nothing anywhere, and ends with Ctrl-C.

    Example: repro app --runs runs
    """
    from repro.commands.streamlit_server import ADDRESS, find_app, serve

    folder = runs_folder(runs)
    variables = _variables(folder, data, labels)
    source = find_app()
    chosen = _choose_port(port)
    for number in _endings():
        signal.signal(number, _end)
    with serve(source, chosen, variables) as server:
        url = f"http://{ADDRESS}:{chosen}"
        typer.echo(f"error browser of {_count_runs(folder)}: {url}")
        sys.stdout.flush()
        tell("Ctrl-C ends it")
        if browser:
            _open(url)
        if code := server.wait():
            raise Unavailable(f"the server of the app ended with code {code}", hint="repro app")


def _variables(runs: Path, data: Path | None, labels: Path | None) -> dict[str, str]:
    """What the app is told, as absolute paths.

    Raises:
        UsageError: the images or the labels are not where they should be.
    """
    told = {RUNS_VARIABLE: str(runs.absolute())}
    for option, variable, path in (("--data", DATA_VARIABLE, data), ("--labels", LABELS_VARIABLE, labels)):
        if path is None:
            continue
        if address := as_address(path):
            raise UsageError(
                f"{option} {address}: the app shows photographs of folders and files of this machine",
                hint=f"{option} with a path; object storage has to be mounted",
            )
        if not path.exists():
            raise UsageError(f"{option} {path} is not there", hint=f"{option} with a path that is")
        told[variable] = str(path.absolute())
    return told


def _count_runs(folder: Path) -> str:
    """How many runs the app will show; without any it opens all the same, and says how to get some."""
    n = len(list(folder.glob("*/run.json")))
    if not n:
        tell(
            f"{folder} holds no runs: the app says how to make one"
            if folder.is_dir()
            else f"{folder} is not a folder: the app says what to do"
        )
    return f"{n} run{'' if n == 1 else 's'} in {folder}"


def _choose_port(asked: int | None) -> int:
    """The port asked for, else the first that is free.

    Raises:
        UsageError: the port asked for is taken.
        Unavailable: all are.
    """
    from repro.commands.streamlit_server import is_free

    if asked is not None:
        if not is_free(asked):
            raise UsageError(f"--port {asked} is taken", hint="repro app without --port takes a free one")
        return asked
    for port in range(PORT, PORT + N_PORTS):
        if is_free(port):
            if port != PORT:
                tell(f"port {PORT} is taken: {port} it is")
            return port
    raise Unavailable(f"ports {PORT} to {PORT + N_PORTS - 1} are all taken", hint="repro app --port 9000")


def _endings() -> list[signal.Signals]:
    """What ends a process before it has cleaned up, unless it is heard: SIGTERM, a terminal that closes."""
    return [signal.Signals[name] for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


def _end(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _open(url: str) -> None:
    """Opens the default browser where there is a screen; a text browser would take the terminal away."""
    if sys.platform.startswith("linux") and not {"DISPLAY", "WAYLAND_DISPLAY"} & set(os.environ):
        return
    import webbrowser

    if not webbrowser.open(url):
        tell("no browser was found: open the address yourself")
