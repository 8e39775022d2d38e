"""One examination, start to end: `repro doctor /data/imagenet/val`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from repro.datasets import Dataset
from repro.doctor.findings import (
    Finding,
    content_finding,
    copy_finding,
    count_finding,
    decoding_finding,
    foreign_finding,
    manifest_finding,
    mode_findings,
    order_finding,
)
from repro.doctor.label_order import LabelOrder, check_label_order
from repro.doctor.scan import ScannedImage, scan_images
from repro.results.manifest import (
    SCHEMA,
    changed_images,
    find_manifest,
    manifest_path,
    repeated_images,
    write_manifest,
)


class Watcher(Protocol):
    """Who is told how the reading goes; counts are of images."""

    def begin(self, total: int, kept: int) -> None: ...
    def scored(self, n: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found; `manifest` is where the manifest lies, or would if nothing had been refused."""

    dataset: Dataset
    findings: tuple[Finding, ...]
    order: LabelOrder
    manifest: Path

    @property
    def refused(self) -> list[str]:
        """The checks whose findings forbid to measure anything on this dataset."""
        return [finding.check for finding in self.findings if finding.verdict == "refused"]


def examine(dataset: Dataset, runs: Path, watcher: Watcher) -> Examination:
    """Reads every image of the dataset, judges what was found, and writes the manifest if all is well.

    A manifest that is there already stays as it is: images that differ from it are refused.

    Raises:
        StorageError: a manifest is damaged, or the disk does not take the new one.
    """
    path = manifest_path(runs, dataset.name, dataset.listing)
    known = find_manifest(path)
    order = check_label_order(dataset)
    images = _scan(dataset, watcher)
    rows, readable = _to_rows(images), _to_rows([image for image in images if not image.unreadable])
    examination = Examination(
        dataset=dataset,
        findings=(
            count_finding(dataset),
            foreign_finding(dataset),
            order_finding(order),
            decoding_finding(images),
            content_finding(repeated_images(readable), dataset),
            manifest_finding(changed_images(rows, known), known, rows["sha256"].null_count),
            copy_finding(images),
            *mode_findings(images),
        ),
        order=order,
        manifest=path,
    )
    if known is None and not examination.refused:
        write_manifest(path, rows)
    return examination


def _scan(dataset: Dataset, watcher: Watcher) -> list[ScannedImage]:
    watcher.begin(total=len(dataset.samples), kept=0)
    images = []
    for chunk in scan_images(dataset):
        images += chunk
        watcher.scored(len(chunk))
    return images


def _to_rows(images: Sequence[ScannedImage]) -> pa.Table:
    """The manifest's rows; an image whose bytes could not be read has no SHA-256."""
    samples = [image.sample for image in images]
    columns = {
        "image_id": [sample.image_id for sample in samples],
        "path": [sample.path for sample in samples],
        "sha256": [image.sha256 or None for image in images],
        "bytes": [image.n_bytes for image in images],
        "width_px": [image.width_px for image in images],
        "height_px": [image.height_px for image in images],
        "label": [sample.label for sample in samples],
    }
    return pa.table(columns, schema=SCHEMA)
