"""Bad input ends with a sentence and its exit code: the tables of the tests, met by the program itself."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

REPRO = [sys.executable, "-m", "repro"]


class Case(NamedTuple):
    """A command line, and the code it has to exit with."""

    arguments: list[str]
    code: int


def check(n: int = 0) -> dict[str, int]:
    """Runs every case, or `n` from here and there, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        cases = list(_cases(Path(folder)))
        if n:
            cases = cases[:: max(len(cases) // n, 1)][:n]
        outcomes = [_run(case) for case in cases]
    return {
        "cases": len(cases),
        "tracebacks": sum("Traceback" in told for _, told, _ in outcomes),
        "wordless": sum(not told.strip() for _, told, _ in outcomes),
        "wrong_codes": sum(code != case.code for case, (code, _, _) in zip(cases, outcomes, strict=True)),
        "slowest_ms": round(1000 * max(seconds for _, _, seconds in outcomes)),
    }


def _run(case: Case) -> tuple[int, str, float]:
    """The exit code, what was told on stderr, the seconds until then."""
    started = time.monotonic()
    ran = subprocess.run([*REPRO, *case.arguments], capture_output=True, text=True, check=False)
    return ran.returncode, ran.stderr, time.monotonic() - started


def _cases(folder: Path) -> Iterator[Case]:
    """Names and options, folders and archives that cannot be meant; the tests hold each to its words."""
    from tests.commands import test_evaluating, test_showing
    from tests.datasets import test_class_folders, test_tar
    from tests.datasets.building import write_files, write_tar

    runs = ["--runs", str(folder / "runs")]
    for arguments, code, _ in table_of(test_evaluating.test_what_cannot_be_meant_is_told_in_one_line):
        yield Case(["eval", *runs, *arguments], code)
    for arguments, _ in table_of(test_showing.test_what_cannot_be_meant_is_told):
        yield Case(["compare-table", *runs, *arguments], 2)
    evaluation = ["eval", "--models", "lite0", *runs, "--data"]
    for i, (files, _) in enumerate(table_of(test_class_folders.test_refusals)):
        data = folder / f"folders{i}"
        data.mkdir()
        yield Case([*evaluation, str(write_files(data, files))], 3)
    for i, (members, _) in enumerate(table_of(test_tar.test_refusals)):
        yield Case([*evaluation, str(write_tar(folder / f"{i}.tar", members))], 3)


def table_of(test: Any) -> list[tuple[Any, ...]]:
    """The rows of a parametrised test."""
    (mark,) = [mark for mark in test.pytestmark if mark.name == "parametrize"]
    return list(mark.args[1])
