"""A finished run opened again: its network, and its images exactly as they were scored."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import torch
from PIL.Image import Image

from repro.datasets import Dataset
from repro.datasets.decode import UnreadableImage, decode
from repro.evaluation.environment import describe_environment, set_numerics
from repro.evaluation.networks import build_network
from repro.evaluation.preprocess import crop
from repro.evaluation.run_images import open_run_images
from repro.evaluation.run_weights import locate_run_weights
from repro.exceptions import DataRefused, InvalidRun, UsageError
from repro.results.by_image import RowsByImage
from repro.results.predictions import OK
from repro.results.record import Numerics, RunRecord
from repro.results.runs import read_record
from repro.results.store import read_rows
from repro.specs import Sample


@dataclass(frozen=True, slots=True)
class Photograph:
    """An image of a run, whole and as the uint8 crop `(3, size_px, size_px)` that was scored."""

    image_id: str
    sha256: str
    whole: Image
    crop: torch.Tensor


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run, its rows by image id (only those that were scored), its network on the device."""

    folder: Path
    record: RunRecord
    rows: Mapping[str, Mapping[str, Any]]
    dataset: Dataset
    samples: Mapping[str, Sample]
    network: torch.nn.Module
    numerics: Numerics

    def photograph(self, image_id: str) -> Photograph:
        """The image, refused unless its bytes are those that were scored.

        Raises:
            DataRefused: they are not, or cannot be read.
        """
        try:
            data = self.dataset.read(self.samples[image_id])
            sha256 = hashlib.sha256(data).hexdigest()
            if sha256 != self.rows[image_id]["sha256"]:
                raise DataRefused(
                    f"image {image_id} in {self.dataset.root} is not the one that was scored: sha256 differs"
                )
            whole = decode(data).rgb
        except KeyError:
            raise DataRefused(f"image {image_id} is no longer in {self.dataset.root}") from None
        except (OSError, UnreadableImage) as error:
            raise DataRefused(f"image {image_id} in {self.dataset.root} cannot be read: {error}") from error
        return Photograph(image_id, sha256, whole, crop(whole, self.record.known_protocol.geometry))

    def rival(self, image_id: str) -> tuple[int, int]:
        """The class predicted, and the one it is held against: the true one, or else the second best."""
        row = self.rows[image_id]
        best, second = row["top5"][:2]
        return best, second if best == row["label"] else row["label"]

    @property
    def classes(self) -> tuple[int, ...]:
        """What its images are answered among, as they were when they were scored; empty: all 1000."""
        return self.record.dataset.classes

    @property
    def identity(self) -> dict[str, Any]:
        """What decides, of the run and its surroundings, whatever is computed from it anew."""
        return {
            **({"classes": self.classes} if self.classes else {}),
            "run": self.record.fingerprint,
            "rows": self.record.predictions_sha256,
            "device": self.numerics.device,
            "environment": describe_environment(),
        }


def open_run(
    folder: Path,
    *,
    data: Path | None = None,
    labels: Path | None = None,
    device: str = "auto",
    batch_size: int | None = None,
) -> OpenRun:
    """The run in `folder`; `data` is where its images are now, if they were moved, and `labels` are theirs.

    Raises:
        InvalidRun: the run may not be believed, or has no prediction.
        DataRefused, WeightsRefused: images or weights are not those of the run.
        StorageError: the run is damaged.
    """
    record = read_record(folder / "run.json")
    if record.summary.invalid:
        raise InvalidRun(f"{record.run_id} is INVALID: {record.summary.invalid}", hint="repro runs")
    rows = read_rows(folder, record)
    rows = rows.filter(pc.equal(rows["status"], OK))
    n_best = pc.fill_null(pc.list_value_length(rows["top5"]), 0)
    if rows["sha256"].null_count or not pc.all(pc.greater(n_best, 0), min_count=0).as_py():
        raise InvalidRun(
            f"{record.run_id} lacks what names an image or its best classes: it was not made here"
        )
    numerics = set_numerics(device, batch_size, None)
    dataset = open_run_images(record, data, labels)
    return OpenRun(
        folder=folder,
        record=record,
        rows=RowsByImage(rows),
        dataset=dataset,
        samples={sample.image_id: sample for sample in dataset.samples},
        network=build_network(*locate_run_weights(record)).to(numerics.device),
        numerics=numerics,
    )


def require_images(run: OpenRun, image_ids: Sequence[str]) -> None:
    """Refuses names that are none of the run's scored images.

    Raises:
        UsageError: one is not.
    """
    unknown = [image_id for image_id in image_ids if image_id not in run.rows]
    if unknown:
        raise UsageError(f"{run.record.run_id} has no prediction for image {unknown[0]!r}")
