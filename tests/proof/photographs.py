"""Real photographs: a thousand that lie beside the repository, or the twenty of a package."""

from __future__ import annotations

from pathlib import Path


def find_photographs() -> Path | None:
    """The folder of the thousand photographs; None, which means the twenty, where they are not here."""
    folder = Path(__file__).parents[3] / "shared" / "data" / "photos1000" / "val"
    return folder if folder.is_dir() else None
