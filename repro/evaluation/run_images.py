"""The images of a finished run, opened again: where they were, or where they are now."""

from __future__ import annotations

from pathlib import Path

from repro.datasets import Dataset, open_dataset
from repro.results.record import RunRecord


def open_run_images(record: RunRecord, data: Path | None, labels: Path | None) -> Dataset:
    """The dataset that the run was made on; `data` is where it was moved to, with `labels`.

    Raises:
        UsageError, DataRefused: as `open_dataset`.
    """
    root, test_set = data or Path(record.dataset.root), record.dataset.test_set or None
    return open_dataset(root, labels or record.labels_of(data), test_set)
