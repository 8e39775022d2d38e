"""What is committed in reports/ is what the commands write; `make reports` writes what needs no run."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from repro.commands import app
from tests.conftest import CHECKOUT
from tests.proof.report import proof_markdown
from tests.speed.bench_report import bench_markdown
from tests.speed.growth import growth_markdown

REPORTS = CHECKOUT / "reports"

TEXTS: Mapping[str, Callable[[Any], str]] = {
    "bench": bench_markdown,
    "growth": growth_markdown,
    "proof": proof_markdown,
}
"""How the text of a measured report is made of its numbers, by name: `proof.md` of `proof.json`."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reports")
    result = CliRunner().invoke(app, ["reports", str(folder)])
    assert result.exit_code == 0, result.output
    return folder


def test_what_needs_no_run_is_what_is_committed(built: Path) -> None:
    """`make reports` writes it anew: read the diff."""
    names = sorted(path.name for path in built.iterdir())
    assert len(names) == 9
    stale = [name for name in names if not _same(built / name, REPORTS / name)]
    assert not stale


def _same(built: Path, committed: Path) -> bool:
    """Byte for byte; of a PNG the pixels, since its compression is the library's."""
    if not committed.is_file():
        return False
    if built.suffix != ".png":
        return built.read_bytes() == committed.read_bytes()
    one, other = (Image.open(BytesIO(path.read_bytes())).convert("RGB") for path in (built, committed))
    return one.size == other.size and np.array_equal(np.asarray(one), np.asarray(other))


def test_the_text_of_a_measured_report_says_its_numbers() -> None:
    twins = [path for path in sorted(REPORTS.glob("*.json")) if path.with_suffix(".md").is_file()]
    assert twins
    for path in twins:
        assert path.stem in TEXTS, f"say in TEXTS how {path.stem}.md is made of {path.name}"
        text = TEXTS[path.stem](json.loads(path.read_text(encoding="utf-8")))
        assert path.with_suffix(".md").read_text(encoding="utf-8") == text, path.stem


def test_every_report_says_which_command_writes_it() -> None:
    makefile = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
    for path in sorted(REPORTS.iterdir()):
        if path.is_file() and path.suffix not in (".json", ".csv"):  # which their text names
            said = re.search(rb"Written by `(make|repro study) ([\w-]+)`", path.read_bytes()[:400])
            assert said, path.name
            assert said[1] != b"make" or f"\n{said[2].decode()}:" in makefile
        if path.suffix == ".csv":
            assert path.name in path.with_suffix(".md").read_text(encoding="utf-8")
