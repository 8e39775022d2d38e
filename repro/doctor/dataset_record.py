"""What a record says of the images that it rests on."""

from __future__ import annotations

from repro.datasets import Dataset
from repro.results.manifest import NOT_VERIFIED, Manifest
from repro.results.record import DatasetRecord


def describe_dataset(dataset: Dataset, digest: str, manifest: Manifest | None = None) -> DatasetRecord:
    """The dataset for a record: `digest` is over its images as far as they are known.

    `manifest` is what vouches for the images' bytes; None: nothing does.
    """
    return DatasetRecord(
        name=dataset.name,
        kind=dataset.kind,
        root=str(dataset.root),
        n=len(dataset.samples),
        n_expected=dataset.n_expected,
        n_classes=len({sample.label for sample in dataset.samples}),
        partial=dataset.partial,
        labels=dataset.labels_from,
        digest=digest,
        verified=str(manifest or NOT_VERIFIED),
        test_set=dataset.test_set,
        classes=dataset.classes,
    )
