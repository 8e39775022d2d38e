"""What goes while a folder of runs is looked at is no damage: a run is being mended, or was removed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from repro.results.kept import newest_first
from repro.results.runs import find_finished
from repro.results.survey import stamp, survey
from tests.commands.studied_runs import photograph, write_run


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run, and beside it what is listed and then gone."""
    photograph(tmp_path / "photos")
    run = write_run(tmp_path / "runs", tmp_path / "photos", "Net", [True] * 6)
    maps = tmp_path / "runs" / run.run_id / "maps"
    maps.mkdir()
    shutil.copy(maps.parent / "predictions.parquet", maps / "gradcam-features-0123.parquet")
    listed = Path.glob

    def glob(self: Path, pattern: str) -> Iterator[Path]:
        if not pattern.endswith("shards"):
            yield self / pattern.replace("*", "gone")
        yield from listed(self, pattern)

    monkeypatch.setattr(Path, "glob", glob)
    return tmp_path / "runs"


def test_a_run_that_just_went_is_not_called_damaged(folder: Path) -> None:
    finished, found = find_finished(folder), survey(folder)
    assert not finished.damaged
    assert not found.left_out
    assert len(finished.records) == len(found.records) == 1


def test_files_that_just_went_are_not_looked_at(folder: Path) -> None:
    (run,) = (path.parent for path in folder.rglob("run.json"))
    assert [name for name, *_ in stamp(folder)] == [
        f"{run.name}/predictions.parquet",
        f"{run.name}/run.json",
    ]
    (path,) = newest_first(run / "maps", "gradcam")
    assert path.exists()
