"""The tests of the tests: `make mutants` puts one fault at a time into the product; a test must turn red.

The faults are data: `mutants.toml`, by their number in `docs/silent-faults.md`. Each is
applied to a copy of the tree and meets the few tests that should catch it. torch and timm are imported
once; every mutant gets a forked process of its own, in which nothing of the product is imported yet.
"""

from __future__ import annotations

import argparse
import ast
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
import tomllib
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
COPIED = ("apps", "repro", "tests", "pyproject.toml", "README.md", "cli.py")
PROCESSES = 2
LIMIT_SECONDS = 240
SILENT_CASES = range(1, 25)
"""The table of `docs/silent-faults.md`: a plausible wrong number, and no error."""

KILLED, SURVIVED, STALE, BROKEN, GREEN = "killed", "SURVIVED", "STALE", "BROKEN", "green"


@dataclass(frozen=True, slots=True)
class Mutant:
    """A fault: `new` for `old`, which must stand exactly once in `file`; some of `tests` must turn red."""

    name: str
    case: int
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a mutant; `why` is the test that caught it, or what is wrong with the mutant."""

    mutant: Mutant
    verdict: str
    why: str
    seconds: float


def load_mutants() -> list[Mutant]:
    entries = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))["mutant"]
    return [Mutant(**entry | {"tests": tuple(entry["tests"])}) for entry in entries]


def why_stale(mutant: Mutant, root: Path) -> str:
    """Why the mutant no longer fits the product; empty where it does."""
    path = root / mutant.file
    if not path.is_file():
        return f"{mutant.file} is not there"
    text = path.read_text(encoding="utf-8")
    if (n := text.count(mutant.old)) != 1:
        return f"its old text stands {n} times in {mutant.file}"
    if path.suffix == ".py":
        try:
            ast.parse(text.replace(mutant.old, mutant.new))
        except SyntaxError as error:
            return f"its new text is no Python: {error}"
    return ""


def run_mutants(mutants: Sequence[Mutant]) -> Iterator[Outcome]:
    """The outcomes as they come. Tests that are red without any fault can catch none: these come first."""
    _import_what_is_slow()
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        clean = copy_tree(CHECKOUT, Path(folder) / "clean")
        green = [
            Mutant("no fault", 0, "", "", "", tests) for tests in dict.fromkeys(m.tests for m in mutants)
        ]
        red = {}
        for outcome in _run_all(green, clean):
            if outcome.verdict == SURVIVED:
                yield replace(outcome, verdict=GREEN)
            else:
                red[outcome.mutant.tests] = outcome.why
        stale = {mutant: why for mutant in mutants if (why := why_stale(mutant, clean))}
        yield from (Outcome(mutant, STALE, why, 0) for mutant, why in stale.items())
        left = [mutant for mutant in mutants if mutant not in stale]
        yield from (
            Outcome(mutant, BROKEN, f"red without a fault: {red[mutant.tests]}", 0)
            for mutant in left
            if mutant.tests in red
        )
        yield from _run_all([mutant for mutant in left if mutant.tests not in red], clean)


def copy_tree(root: Path, to: Path) -> Path:
    """A copy of what the tests need, without what was compiled."""
    to.mkdir()
    for name in COPIED:
        if (root / name).is_dir():
            shutil.copytree(root / name, to / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(root / name, to / name)
    return to


def _import_what_is_slow() -> None:
    """What the forked processes then have already; nothing of the product is among it."""
    warnings.filterwarnings("ignore", message=".*`torch.jit")  # of timm's and fvcore's own modules
    import fvcore.nn  # noqa: F401
    import pandas  # noqa: F401
    import pytest  # noqa: F401
    import safetensors.torch  # noqa: F401
    import scipy.stats  # noqa: F401
    import sklearn.metrics  # noqa: F401
    import timm  # noqa: F401
    import typer.testing  # noqa: F401


def _run_all(mutants: Sequence[Mutant], clean: Path) -> Iterator[Outcome]:
    """Runs `PROCESSES` at a time."""
    waiting = list(mutants)[::-1]
    running: dict[BaseProcess, tuple[Mutant, Path, float]] = {}
    while waiting or running:
        while waiting and len(running) < PROCESSES:
            mutant = waiting.pop()
            tree = Path(tempfile.mkdtemp(dir=clean.parent)) / "tree"
            process = multiprocessing.get_context("fork").Process(target=_meet, args=(mutant, clean, tree))
            process.start()
            running[process] = (mutant, tree, time.monotonic())
        wait([process.sentinel for process in running], timeout=1)
        for process, (mutant, tree, started) in list(running.items()):
            seconds = time.monotonic() - started
            if seconds > LIMIT_SECONDS:
                process.kill()
                process.join()
            if not process.is_alive():
                del running[process]
                yield _judge(mutant, tree, process.exitcode, seconds)
                shutil.rmtree(tree.parent)


def _judge(mutant: Mutant, tree: Path, code: int | None, seconds: float) -> Outcome:
    """Killed means that a test failed; a process that ended otherwise says nothing about the tests."""
    report = tree.with_name("failed")
    failed = report.read_text().splitlines() if report.is_file() else []
    if code == 1 and failed:
        return Outcome(mutant, KILLED, failed[0], seconds)
    if code == 0:
        return Outcome(mutant, SURVIVED, " ".join(mutant.tests), seconds)
    output = tree.with_name("output")
    said = output.read_text(errors="replace").strip().splitlines()[-3:] if output.is_file() else []
    return Outcome(mutant, BROKEN, f"pytest ended with {code}: " + "\n    ".join(said), seconds)


def _meet(mutant: Mutant, clean: Path, tree: Path) -> None:
    """In a process of its own: the tests of `mutant`, in a tree that has its fault."""
    copy_tree(clean, tree)
    if mutant.old:
        path = tree / mutant.file
        path.write_text(path.read_text(encoding="utf-8").replace(mutant.old, mutant.new), encoding="utf-8")
    os.nice(10)
    _move_to(tree)
    descriptor = os.open(tree.with_name("output"), os.O_WRONLY | os.O_CREAT)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)

    import pytest

    import repro

    assert Path(repro.__file__).is_relative_to(tree), f"{repro.__file__} is not the mutated copy"
    imported_before = ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # as some plugins of pytest are
    options = [
        *imported_before,
        "-x",
        "-q",
        "-p",
        "no:cacheprovider",
        "--hypothesis-seed=0",
        f"--basetemp={tree.parent}/tmp",
    ]
    code = pytest.main([*options, *mutant.tests], plugins=[_Failures(tree.with_name("failed"))])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(int(code))  # the pools and threads of what was imported are of no interest


def _move_to(tree: Path) -> None:
    """Makes `tree` the checkout: for this process, and by the environment for those that it starts."""
    for name in [name for name in sys.modules if name.partition(".")[0] in ("repro", "tests")]:
        del sys.modules[name]
    sys.path[:] = [str(tree), *(p for p in sys.path if p and Path(p).resolve() != CHECKOUT)]
    sys.dont_write_bytecode = True
    os.environ |= {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    os.chdir(tree)


class _Failures:
    """Writes down the tests that turn red."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def pytest_runtest_logreport(self, report: object) -> None:
        if getattr(report, "failed", False):
            with self.path.open("a") as file:
                file.write(f"{getattr(report, 'nodeid', '?')}\n")


def check(n: int = 0) -> dict[str, int]:
    """All mutants, or `n` of them from here and there, in a process that has imported nothing yet."""
    import subprocess

    command = [sys.executable, "-m", "tests.proof.mutants", "--json", "--some", str(n)]
    ran = subprocess.run(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, check=False)
    figures: dict[str, int] = json.loads(ran.stdout.splitlines()[-1])
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.proof.mutants", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--only", default="", help="mutants with this in their name, file or tests")
    parser.add_argument("--some", type=int, default=0, help="as many, from here and there; 0: all")
    parser.add_argument("--json", action="store_true", help="end with the figures")
    options = parser.parse_args()
    mutants = [m for m in load_mutants() if options.only in " ".join((m.name, m.file, *m.tests))]
    if options.some:
        mutants = mutants[:: max(len(mutants) // options.some, 1)][: options.some]
    started = time.monotonic()
    outcomes = []
    for outcome in run_mutants(mutants):
        if outcome.verdict != GREEN:
            outcomes.append(outcome)
        told = f"case {outcome.mutant.case:2}  {outcome.mutant.name}"
        sys.stderr.write(f"{outcome.verdict:8} {outcome.seconds:5.1f} s  {told}\n         by {outcome.why}\n")
    figures = count(mutants, outcomes)
    sys.stderr.write(f"{figures} in {time.monotonic() - started:.0f} s\n")
    if options.json:
        sys.stdout.write(json.dumps(figures) + "\n")
    return 0 if mutants and all(outcome.verdict == KILLED for outcome in outcomes) else 1


def count(mutants: Sequence[Mutant], outcomes: Sequence[Outcome]) -> dict[str, int]:
    """How many faults there were and were caught; `cases` are the silent ones that they stand for."""
    killed = {outcome.mutant for outcome in outcomes if outcome.verdict == KILLED}
    cases = {mutant.case for mutant in mutants if mutant.case in SILENT_CASES}
    open_cases = {mutant.case for mutant in mutants if mutant not in killed}
    stale = sum(outcome.verdict in (STALE, BROKEN) for outcome in outcomes)
    return {
        "mutants": len(mutants),
        "killed": len(killed),
        "stale": stale,
        "cases": len(cases),
        "caught": len(cases - open_cases),
    }


if __name__ == "__main__":
    sys.exit(main())
