"""What the tests of import and export both need."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.exchange.predicting import LABELS


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labels.csv"
    path.write_text("name,label\n" + "".join(f"{name},{label}\n" for name, label in LABELS.items()))
    return path
