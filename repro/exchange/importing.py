"""One import, start to end: `repro import-predictions ResNet50.csv --model ResNet50`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from repro.datasets.dataset import Dataset, image_ids
from repro.datasets.entries import first_few, match_names, require_text
from repro.datasets.imagenet_x import imagenet_x_labels
from repro.datasets.labels import ImageLabels, load_labels, packaged_labels
from repro.doctor.dataset_record import describe_dataset
from repro.doctor.label_order import refuse_wrong_order
from repro.exceptions import DataRefused, UsageError
from repro.exchange.prediction_files import Predictions, read_prediction_file, refuse_doubled, softmax
from repro.results.predictions import OK, SCHEMA
from repro.results.record import IMPORTED, ModelRecord, RunRecord, WeightsRecord
from repro.results.runs import name_run, read_record
from repro.results.store import RunFolder
from repro.results.summary import summarise
from repro.specs import UNKNOWN_MIXER, ModelSpec, Sample, digest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PROTOCOL_NAME = "imported"


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """An import as it was asked for; without `labels` they come from an installed package."""

    file: Path
    model: ModelSpec
    runs: Path
    labels: Path | None = None
    names: Path | None = None
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class NamedImages(Dataset):
    """Images of which only name and label are known."""

    def read(self, sample: Sample) -> bytes:
        raise OSError(f"{sample.image_id}: only its name and label are known")


def import_predictions(request: ImportRequest) -> RunRecord:
    """Makes a run of the predictions in a file; the same file, labels and model give the same run.

    Raises:
        UsageError: a file or an option cannot be meant.
        DataRefused: images are missing, doubled or foreign; labels or predictions cannot be trusted.
        StorageError: the disk does not take the run.
        Busy: another process writes it.
    """
    started = datetime.now(UTC)
    require_text("FILE", request.file.absolute())
    predictions = read_prediction_file(request.file, request.names)
    labels = load_labels(request.labels) if request.labels else _validation_labels()
    dataset = _match(request.file, predictions.names, labels)
    refuse_wrong_order(dataset, request.labels, "labels in the right order, and the same command again")
    content = hashlib.sha256(request.file.read_bytes()).hexdigest()
    identity = digest({"model": request.model.name, "predictions": content, "listing": dataset.listing})
    name = name_run(request.model.name, dataset.name, PROTOCOL_NAME, identity)
    folder = RunFolder(request.runs / name, identity)
    with folder.locked():
        if kept := folder.record():
            if request.model.token_mixer not in (UNKNOWN_MIXER, kept.model.token_mixer):
                raise UsageError(
                    f"{folder.path} has these predictions already, with the token mixer "
                    f"{kept.model.token_mixer}, not {request.model.token_mixer}",
                    hint=f"move {folder.path} away, and the same command again",
                )
            return kept
        rows = _rows(predictions, dataset)
        folder.finish(rows, _record(request, dataset, rows, folder, content, started))
    return read_record(folder.record_path)


def _validation_labels() -> ImageLabels:
    """Those of the 50,000 images of ImageNet val, from whichever package has them."""
    return imagenet_x_labels() or packaged_labels("predictions without --labels")


def _match(path: Path, names: Sequence[str], labels: ImageLabels) -> NamedImages:
    """The predicted images, in the file's order: exactly those that have labels, each once."""
    refuse_doubled(path, names)
    ids = image_ids(names)
    meant = match_names(names, labels.by_name)
    if foreign := [name for name in names if name not in meant]:
        raise DataRefused(
            f"{path}: {len(foreign):,} images that {labels.origin} does not know: {first_few(foreign)}",
            hint="where file names repeat, predictions and labels have to give the same full paths",
        )
    if missing := sorted(labels.by_name.keys() - set(meant.values())):
        raise DataRefused(
            f"{path}: {len(missing):,} of {len(labels.by_name):,} images of {labels.origin} "
            f"have no prediction: {first_few(missing)}",
            hint="for a part of the images: --labels FILE.csv (name,label) with just those",
        )
    samples = [Sample(i, name, labels.by_name[meant[name]]) for i, name in zip(ids, names, strict=True)]
    return NamedImages.from_samples(
        samples, root=path.absolute(), kind="imported predictions", labels_from=labels.origin
    )


def _rows(predictions: Predictions, dataset: Dataset) -> pa.Table:
    """One row an image; null stands for what the file does not tell."""
    import numpy as np

    labels = np.array([sample.label for sample in dataset.samples])
    p_best = predictions.p_best
    columns: dict[str, Any] = {
        "image_id": [sample.image_id for sample in dataset.samples],
        "path": [sample.path for sample in dataset.samples],
        "label": labels,
        "status": [OK] * len(labels),
        "precision": None if predictions.logits is None else ["fp32"] * len(labels),
        "top5": list(predictions.best[:, :5]),
        "p_top5": None if p_best is None else list(p_best[:, :5]),
        **_of_label(predictions, labels),
    }
    nothing = [None] * len(labels)
    arrays = [pa.array(nothing if (c := columns.get(f.name)) is None else c, f.type) for f in SCHEMA]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def _of_label(predictions: Predictions, labels: NDArray[np.int64]) -> Mapping[str, Any]:
    """Probability and rank of the true class: of all where there are logits, else of those listed."""
    import numpy as np

    images = np.arange(len(labels))
    if predictions.logits is not None:
        logits = predictions.logits
        own = logits[images, labels][:, None]
        before = (logits == own) & (np.arange(logits.shape[1]) < labels[:, None])
        rank = (logits > own).sum(axis=1) + before.sum(axis=1)
        return {"p_label": softmax(logits)[images, labels], "rank": rank}
    is_label = predictions.best == labels[:, None]
    listed, place = is_label.any(axis=1), is_label.argmax(axis=1)
    found: dict[str, Any] = {"rank": pa.array(place, mask=~listed).cast(pa.int16())}
    if predictions.p_best is not None:
        found["p_label"] = pa.array(predictions.p_best[images, place], mask=~listed).cast(pa.float32())
    return found


def _record(
    request: ImportRequest,
    dataset: Dataset,
    rows: pa.Table,
    folder: RunFolder,
    content: str,
    started: datetime,
) -> RunRecord:
    spec = request.model
    file = WeightsRecord(IMPORTED, request.file.name, "", content, "predictions, not weights")
    return RunRecord(
        run_id=folder.path.name,
        fingerprint=folder.fingerprint,
        model=ModelRecord(spec.name, spec.label, spec.token_mixer, spec.timm_name or "", file),
        protocol_name=PROTOCOL_NAME,
        protocol=None,
        dataset=describe_dataset(dataset, dataset.listing),
        numerics=None,
        complexity=None,
        summary=summarise(rows, [sample.image_id for sample in dataset.samples]),
        environment={},
        code={"version": version("repro")},
        arguments=request.arguments,
        started=started.isoformat(timespec="seconds"),
        seconds=round((datetime.now(UTC) - started).total_seconds(), 3),
    )
