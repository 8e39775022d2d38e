"""`repro app` from its start to its end; what it lets in is asked in tests/browser/test_door.py."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.request import urlopen

import pytest
from typer.testing import CliRunner, Result

from repro.commands import app
from repro.commands.error_browser import PORT, _choose_port
from repro.commands.streamlit_server import find_app, is_free, read_flags
from tests.conftest import CHECKOUT
from tests.processes import free_port, is_alive

SECONDS = 60
"""That no end needs, but that end a test that hangs."""


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["app", "--no-browser", *map(str, arguments)])


@contextmanager
def taken(port: int = 0) -> Iterator[int]:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a past connection may linger there
        other.bind(("127.0.0.1", port))
        other.listen()
        yield other.getsockname()[1]


def started(*arguments: str | Path, cwd: Path) -> subprocess.Popen[str]:
    command = [sys.executable, CHECKOUT / "cli.py", "app", "--no-browser", *arguments]
    return subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def children_of(process: subprocess.Popen[str]) -> list[str]:
    """The processes that any of its threads has begun."""
    found: list[str] = []
    for of_thread in Path(f"/proc/{process.pid}/task").glob("*/children"):
        with suppress(OSError):  # a thread may end meanwhile
            found += of_thread.read_text().split()
    return found


def wait_for_the_end(pid: str) -> None:
    until = time.monotonic() + SECONDS
    while is_alive(pid) and time.monotonic() < until:
        time.sleep(0.05)
    assert not is_alive(pid)


def is_healthy(port: int) -> bool:
    with urlopen(f"http://127.0.0.1:{port}/_stcore/health") as answer:
        return bool(answer.read() == b"ok")


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.mark.parametrize(
    ("number", "code", "last"), [(signal.SIGINT, 130, "stopped by user"), (signal.SIGTERM, 143, "")]
)
def test_it_ends_when_told_and_leaves_nobody_behind(
    number: signal.Signals, code: int, last: str, port: int, tmp_path: Path
) -> None:
    (tmp_path / "streamlit.py").write_text("raise SystemExit('imported from the working directory')")
    with started("--port", str(port), cwd=tmp_path) as verb:
        assert verb.stdout and verb.stderr
        assert verb.stdout.readline() == f"error browser of 0 runs in runs: http://127.0.0.1:{port}\n"
        assert is_healthy(port)
        children = children_of(verb)
        verb.send_signal(number)
        rest, said = verb.communicate(timeout=SECONDS)
    assert verb.returncode == code
    assert not rest
    lines = said.splitlines()
    assert lines == [
        "runs is not a folder: the app says what to do",
        "Ctrl-C ends it",
        *([last] if last else []),
    ]
    assert len(children) == 1
    assert not Path("/proc", children[0]).exists()
    assert is_free(port)


def test_it_ends_when_told_before_it_listens(port: int, tmp_path: Path) -> None:
    with started("--port", str(port), cwd=tmp_path) as verb:
        while not (child := children_of(verb)):
            assert verb.poll() is None, verb.communicate()
            time.sleep(0.001)  # no longer: it has hardly been told of its child itself
        verb.send_signal(signal.SIGTERM)
        _, said = verb.communicate(timeout=SECONDS)
    assert verb.returncode == 143, said
    wait_for_the_end(child[0])  # a verb that did not know it yet leaves it to the closed pipe


def test_killed_it_leaves_no_server_behind(port: int, tmp_path: Path) -> None:
    with started("--port", str(port), cwd=tmp_path) as verb:
        assert verb.stdout
        verb.stdout.readline()
        (child,) = children_of(verb)
        verb.kill()
        wait_for_the_end(child)
    assert is_free(port)


def test_a_port_asked_for_is_not_exchanged() -> None:
    with taken() as port:
        result = invoke("--port", str(port))
    assert result.exit_code == 2
    assert f"--port {port} is taken" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_port_not_asked_for_is(capsys: pytest.CaptureFixture[str]) -> None:
    first = _choose_port(None)
    with taken(first):
        second = _choose_port(None)
    assert PORT <= first < second
    assert f"port {PORT} is taken: {second} it is" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--data", "--labels"])
def test_images_that_are_not_there_are_told_at_once(option: str, tmp_path: Path) -> None:
    result = invoke(option, tmp_path / "nowhere")
    assert result.exit_code == 2
    assert f"{option} {tmp_path / 'nowhere'} is not there" in result.stderr


def test_without_streamlit_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("repro.commands.streamlit_server.find_spec", lambda _name: None)
    result = invoke()
    assert result.exit_code == 69
    assert "streamlit, which is not installed" in result.stderr
    assert "try:   pip install streamlit" in result.stderr


def test_the_flags_are_the_settings_of_the_file() -> None:
    """Those of the file are read by `streamlit run apps/errors.py`; the flags stand above all else."""
    file = tomllib.loads((find_app().parent / ".streamlit" / "config.toml").read_text())
    flags = read_flags(find_app())
    assert "--server.address=127.0.0.1" in flags
    assert "--server.enableCORS=true" in flags
    assert [flag for flag in flags if "allowedHosts" in flag] == [
        "--server.allowedHosts=localhost",
        "--server.allowedHosts=127.0.0.1",
    ]
    assert "--client.disableDataExport=true" in flags  # no csv but ours, in which nothing is a formula
    theme = file.pop("theme")
    assert "base" not in theme
    named = {f"--{section}.{name}" for section, values in file.items() for name in values}
    assert {flag.split("=")[0] for flag in flags} == named


@pytest.mark.parametrize(("mode", "ground", "least"), [("light", "#ffffff", 4.5), ("dark", "#171614", 4)])
def test_a_primary_colour_is_readable_both_ways(mode: str, ground: str, least: float) -> None:
    """Contrast by WCAG 2.2, 1.4.3, on Streamlit's ground, and of Streamlit's white text on the colour."""
    theme = tomllib.loads((find_app().parent / ".streamlit" / "config.toml").read_text())["theme"]
    colour = _luminance(theme[mode]["primaryColor"])
    for other in map(_luminance, (ground, "#ffffff")):
        darker, lighter = sorted((colour, other))
        assert (lighter + 0.05) / (darker + 0.05) >= least


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_an_app_that_is_told_of_runs_gets_whole_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from repro.commands.error_browser import _variables
    from repro.exceptions import UsageError

    monkeypatch.chdir(tmp_path)
    (tmp_path / "images").mkdir()
    assert _variables(Path("here"), Path("images"), None) == {
        "REPRO_RUNS": os.fspath(tmp_path / "here"),
        "REPRO_DATA": os.fspath(tmp_path / "images"),
    }
    with pytest.raises(UsageError, match="--data s3://bucket/val: the app shows photographs of folders"):
        _variables(Path("here"), Path("s3://bucket/val"), None)
