"""Exact outputs, kept as text; `UPDATE_SNAPSHOTS=1 pytest tests/reporting` writes them: read the diff."""

import os
from pathlib import Path

FOLDER = Path(__file__).parent


def assert_snapshot(name: str, text: str) -> None:
    """Blanks at the ends of lines do not count."""
    shown = "".join(f"{line.rstrip()}\n" for line in text.splitlines())
    path = FOLDER / name
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.write_text(shown, encoding="utf-8")
    assert shown == path.read_text(encoding="utf-8")
