"""What models got right on images in a random order, as far as all of them have come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from repro.evaluation.plan import Candidate, Plan
from repro.evaluation.standing import N_OF_A_RUN, Standing
from repro.exceptions import DataRefused
from repro.results.manifest import changed_images
from repro.results.record import RunRecord
from repro.results.runs import list_runs
from repro.results.store import read_rows
from repro.specs import Sample, digest

_COLUMNS = ["image_id", "sha256", "label", "status", "rank"]


class Evidence:
    """Fills up model by model and shard by shard; a question sees the images that all `models` have."""

    def __init__(self, models: Sequence[str], order: Sequence[Sample]) -> None:
        self.order = order
        self._right = {model: np.zeros(len(order), np.bool_) for model in models}
        self._scored = {model: np.zeros(len(order), np.bool_) for model in models}
        self._sha256: list[str | None] = [None] * len(order)

    def add(self, model: str, start: int, rows: pa.Table) -> None:
        """Adds the scored `rows` of the images from place `start` on, in the order.

        Raises:
            DataRefused: an image's bytes are not those that another model saw.
        """
        hashes = rows["sha256"].to_pylist()
        for place, sha256 in enumerate(hashes, start):
            if self._sha256[place] not in (None, sha256):
                image_id = self.order[place].image_id
                raise DataRefused(f"image {image_id} is not what another model saw: it has changed")
        end = start + len(hashes)
        self._sha256[start:end] = hashes
        self._right[model][start:end] = rows["rank"].to_numpy() == 0
        self._scored[model][start:end] = True

    @property
    def n(self) -> int:
        """How many images, from the first on, all models have."""
        by_all = np.logical_and.reduce(list(self._scored.values()))
        return len(by_all) if by_all.all() else int(by_all.argmin())

    @property
    def rights(self) -> dict[str, NDArray[np.bool_]]:
        """By model `(n,)`, in the order."""
        return {model: right[: self.n] for model, right in self._right.items()}

    def digest(self, n: int) -> str:
        """Over image id, SHA-256 and label of the first `n` images."""
        seen = zip(self.order[:n], self._sha256[:n], strict=True)
        return digest([(sample.image_id, sha256, sample.label) for sample, sha256 in seen])

    def seen(self, n: int) -> dict[str, str]:
        """The SHA-256 of about `N_OF_A_RUN` of the first `n` images, by id."""
        step = max(n // N_OF_A_RUN, 1)
        some = zip(self.order[:n:step], self._sha256[:n:step], strict=True)
        return {sample.image_id: sha256 for sample, sha256 in some if sha256}


@dataclass(frozen=True, slots=True)
class StoredRows:
    """The rows of a finished run, in the order of an evidence."""

    run_id: str
    rows: pa.Table


def find_stored(plan: Plan, candidate: Candidate, order: Sequence[Sample]) -> StoredRows | None:
    """The newest run of `candidate` on all the plan's images, every one scored; None where there is none.

    Its rows are given in `order`. A run whose images the plan's manifest does not vouch for is passed over.

    Raises:
        StorageError: the record of a run is damaged, or the rows of one that could serve.
        DataRefused: it is of other images by the same names, or these can no longer be read.
    """
    for record in reversed(list_runs(plan.request.runs)):
        if not _could_serve(record, plan, candidate):
            continue
        rows = read_rows(plan.request.runs / record.run_id, record, _COLUMNS)
        expected = {sample.image_id: sample.label for sample in order}
        found = dict(zip(rows["image_id"].to_pylist(), rows["label"].to_pylist(), strict=True))
        if found == expected and not changed_images(rows, plan.manifest):
            Standing(plan).recognise(rows, plan.request.runs / record.run_id)
            place = {image_id: i for i, image_id in enumerate(found)}
            return StoredRows(record.run_id, rows.take([place[sample.image_id] for sample in order]))
    return None


def _could_serve(record: RunRecord, plan: Plan, candidate: Candidate) -> bool:
    same = (
        record.model.name == candidate.spec.name,
        record.model.weights.sha256 == candidate.weights.record.sha256,
        record.protocol == candidate.protocol,
        record.dataset.name == plan.dataset.name,
        record.decided_in_fp32,  # as what is computed here is
    )
    return all(same) and record.status == "complete" and record.summary.n_scored == len(plan.dataset.samples)
