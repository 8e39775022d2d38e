"""What a sweep will do, settled before torch is imported: which variations, on which of a run's images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from repro.catalogue.models import find_model
from repro.datasets import Dataset
from repro.datasets.address import as_address
from repro.datasets.sampling import choose
from repro.evaluation.run_images import open_run_images
from repro.evaluation.variations import Setting, Variation, list_variations
from repro.exceptions import DataRefused, UsageError
from repro.results.predictions import OK
from repro.results.record import RunRecord
from repro.results.runs import read_record
from repro.results.store import read_rows
from repro.results.summary import recount
from repro.results.sweeps import OWN, SCHEMA, sweep_path
from repro.specs import Protocol, Sample, digest
from repro.suggestions import suggest


@dataclass(frozen=True, slots=True)
class SweepRequest:
    """A sweep as it was asked for; `run` is the run's folder, `only` names of variations (none: all)."""

    run: Path
    limit: int = 1000
    seed: int = 0
    only: Sequence[str] = ()
    data: Path | None = None
    labels: Path | None = None
    device: str = "auto"
    batch_size: int | None = None
    workers: int | None = None


class SweepPlan:
    """Which variations on which images; the images are looked for only when they are asked for."""

    def __init__(self, request: SweepRequest) -> None:
        if request.limit < 1:
            raise UsageError(f"a sweep of {request.limit} images cannot be; at least 1 is needed")
        self.request = request
        record = read_record(request.run / "run.json")
        rows = read_rows(request.run, record)
        self.record: RunRecord = replace(record, summary=recount(record.summary, rows))
        self.scored: pa.Table = rows.filter(pc.equal(rows["status"], OK))
        protocol = self.record.known_protocol  # first: a model that was imported may be called as none here
        self.spec = find_model(self.record.model.name)
        every = list_variations(protocol, self.named_protocols)
        self.variations = _choose_variations(every, request.only)
        self.samples = self._sample()
        self.key = self._key()

    @cached_property
    def named_protocols(self) -> Mapping[str, Protocol]:
        """The model's own; of a checkpoint that is not in the catalogue only timm knows them."""
        if self.spec.protocols:
            return self.spec.protocols
        from repro.evaluation.checkpoints import resolve_timm_spec

        return resolve_timm_spec(self.spec).protocols

    @property
    def path(self) -> Path:
        return sweep_path(self.request.run, self.key)

    @property
    def among_classes(self) -> dict[str, Any]:
        """For what is named by its digest: a test set's own classes; nothing where all 1000 are asked."""
        classes = self.record.dataset.classes
        return {"classes": classes} if classes else {}

    def _sample(self) -> tuple[Sample, ...]:
        """The class-balanced subset, with the run's own labels, by image id."""
        rows = self.scored.select(["image_id", "path", "label"]).to_pylist()
        samples = [Sample(row["image_id"], row["path"], row["label"]) for row in rows]
        chosen = choose(samples, self.request.limit, self.request.seed)
        return tuple(sample for sample in samples if sample in chosen)

    def _key(self) -> str:
        """Of what decides the sweep's rows, but for the environment: an answer from elsewhere is one, too."""
        return digest(
            {
                **self.among_classes,
                "schema": SCHEMA,
                "run": self.record.predictions_sha256,
                "images": [sample.image_id for sample in self.samples],
                "variations": [[v.name, asdict(v.setting)] for v in self.variations],
                "device": self.request.device,
                "batch_size": self.request.batch_size,
            }
        )

    def settings(self) -> dict[str, Setting]:
        """The run's own setting, then the variations' by name."""
        return {OWN: Setting(self.record.known_protocol), **{v.name: v.setting for v in self.variations}}

    def open_dataset(self) -> Dataset:
        """The run's dataset, reduced to the sweep's samples; their bytes are verified when they are read.

        Raises:
            DataRefused: it is not there, or does not have the run's images.
        """
        root = self.request.data or Path(self.record.dataset.root)
        of_labels = ", --labels where their labels are" if self.record.labels_passed else ""
        where_now = f"--data says where they are now{of_labels}"
        if not (as_address(root) or root.exists()):
            raise DataRefused(f"the run's images are no longer at {root}", hint=where_now)
        dataset = open_run_images(self.record, self.request.data, self.request.labels)
        by_id = {sample.image_id: sample for sample in dataset.samples}
        missing = [sample.image_id for sample in self.samples if sample.image_id not in by_id]
        if missing:
            raise DataRefused(
                f"{root} lacks {len(missing):,} of the run's images, the first {missing[0]}",
                hint=where_now,
            )
        found = [by_id[sample.image_id] for sample in self.samples]
        for own, there in zip(self.samples, found, strict=True):
            if own.label != there.label:
                raise DataRefused(
                    f"{root}: {own.image_id} has label {there.label}, and {own.label} in the run",
                    hint="--labels gives the labels that the run was evaluated with",
                )
        return replace(dataset, samples=tuple(found))

    def stored_classes(self) -> dict[str, tuple[str, int]]:
        """SHA-256 and best class of each of the run's scored images, by id."""
        rows = self.scored.select(["image_id", "sha256", "top5"]).to_pylist()
        return {row["image_id"]: (row["sha256"], row["top5"][0]) for row in rows}


def _choose_variations(every: Sequence[Variation], only: Sequence[str]) -> tuple[Variation, ...]:
    by_name = {variation.name.casefold(): variation for variation in every}
    for name in only:
        if name.casefold() not in by_name:
            suggestion = suggest(name.casefold(), by_name, most=3, told=lambda key: repr(by_name[key].name))
            raise UsageError(f"unknown variation {name!r}; {suggestion}")
    wanted = {name.casefold() for name in only}
    return tuple(v for v in every if not only or v.name.casefold() in wanted)
