"""Every number recomputed without the package: by the lines of pandas that the README gives."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from itertools import chain
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"


def check() -> dict[str, int]:
    """Runs the demo, then the README's lines over its rows; `different` counts what does not agree."""
    lines = README.read_text(encoding="utf-8").split("```python\n", 1)[1].split("```", 1)[0]
    with tempfile.TemporaryDirectory() as folder:
        demo = [sys.executable, "-m", "repro", "demo", "--runs", folder]
        subprocess.run(demo, check=True, capture_output=True)
        # -I: neither the checkout nor anything of the user's is importable by accident.
        without_us = [sys.executable, "-I", "-c", f"import sys; sys.modules['repro'] = None\n{lines}", folder]
        told = subprocess.run(without_us, check=True, capture_output=True, text=True).stdout
        records = [json.loads(path.read_text()) for path in sorted(Path(folder).glob("*/run.json"))]
    ours = [_percentages(record["summary"]) for record in records]
    theirs = [line.split()[1:3] for line in told.splitlines()]
    return {
        "lines": len(lines.strip().splitlines()),
        "numbers": sum(map(len, ours)),
        "different": sum(a != b for a, b in zip(chain(*ours), chain(*theirs), strict=True)),
    }


def _percentages(summary: dict[str, int]) -> list[str]:
    return [f"{100 * summary[count] / summary['n']:.3f}" for count in ("top1_correct", "top5_correct")]
