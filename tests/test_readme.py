"""The README and docs/ tell what is so: commands, links, help text, demo, ten lines of pandas.

UPDATE_README=1 writes the help text anew.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from repro.commands import app
from tests.conftest import Demo

README = Path(__file__).parents[1] / "README.md"


DOCS = [README, *sorted(README.with_name("docs").glob("*.md"))]


WITH_COMMANDS = [path for path in DOCS if "$ repro " in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("path", WITH_COMMANDS, ids=lambda path: path.name)
def test_every_command_has_the_options_that_it_is_given(path: Path) -> None:
    lines = re.findall(r"(?m)^\$ (?:torchrun \S+ -m )?repro (.+)$", path.read_text(encoding="utf-8"))
    assert lines
    for line in lines:
        command, words = get_command(app), shlex.split(line, comments=True)
        while commands := getattr(command, "commands", None):
            if words[0].startswith("-"):
                break
            command = commands[words.pop(0)]
        command.make_parser(command.context_class(command)).parse_args(words)


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_every_link_leads_to_a_file(path: Path) -> None:
    links = re.findall(r"\]\((?!https://)([^)#]+)\)", path.read_text(encoding="utf-8"))
    assert links
    assert not [link for link in links if not (path.parent / link).is_file()]


def block_after(command: str, text: str) -> str:
    """The block of output that follows `$ command`."""
    return text.split(f"$ {command}\n```\n```text\n", 1)[1].split("```", 1)[0]


def test_the_help_text_is_what_the_program_says() -> None:
    text = README.read_text(encoding="utf-8")
    shown = CliRunner().invoke(app, ["--help"], terminal_width=100).stdout.strip() + "\n"
    if os.environ.get("UPDATE_README"):
        head, _, tail = text.partition("$ repro --help\n```\n```text\n")
        README.write_text(
            f"{head}$ repro --help\n```\n```text\n{shown}```{tail.partition('```')[2]}", "utf-8"
        )
        text = README.read_text(encoding="utf-8")
    assert block_after("repro --help", text) == shown


def test_the_demo_prints_what_is_shown_and_its_rows_give_its_numbers(demo: Demo) -> None:
    shown = block_after("make demo", README.read_text(encoding="utf-8"))
    said = {masked(line) for line in demo.output.splitlines()}
    missing = [line for line in shown.splitlines() if line != "…" and masked(line) not in said]
    assert not missing, "\n".join(missing)

    lines = README.read_text(encoding="utf-8").split("```python\n", 1)[1].split("```", 1)[0]
    assert len(lines.strip().splitlines()) <= 12
    told = subprocess.run(
        [sys.executable, "-c", lines, str(demo.runs)], capture_output=True, text=True, check=True
    )
    assert [line.split()[:2] for line in told.stdout.splitlines()] == [
        ["efficientnet_lite0", "90.000"],
        ["efficientnet_lite1", "90.000"],
        ["efficientnet_lite2", "90.000"],
    ]


def masked(line: str) -> str:
    """Without what differs from machine to machine: fingerprints, moments, the folder, padding."""
    line = re.sub(r"-[0-9a-f]{8}\b", "-…", line)
    line = re.sub(r"\S*/bin/activate", ".venv/bin/activate", line)
    line = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "…", line)
    return " ".join(re.sub(r"\S*/(?=efficientnet)", "runs/", line).split())
