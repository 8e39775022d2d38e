"""The record of a run (`run.json`): everything that decided its numbers, and the numbers.

It is written last: its presence means that the run beside it is whole.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, TypeVar

from repro.exceptions import StorageError, UsageError
from repro.results.sealed import seal, unseal
from repro.results.typed import check_types
from repro.specs import Protocol

_T = TypeVar("_T")

SCHEMA = 2
"""2: `protocol`, `numerics` and `complexity` are null in the record of imported predictions."""

IMPORTED = "import"
"""The origin of predictions that were not made here: what is kept as weights is the file they came in."""


@dataclass(frozen=True, slots=True)
class WeightsRecord:
    """Which weights: `origin` is `hub`, `package`, `file` or `import`; `verified` is what vouches."""

    origin: str
    location: str
    revision: str
    sha256: str
    verified: str


@dataclass(frozen=True, slots=True)
class ModelRecord:
    name: str
    label: str
    token_mixer: str
    timm_name: str
    weights: WeightsRecord


@dataclass(frozen=True, slots=True)
class DatasetRecord:
    """Which images: `n_expected` is the size of the whole set, `partial` why this is not the whole set.

    `digest` is over the (image_id, sha256, label) of every row, `verified` names the manifest that
    vouches for the images' bytes. `test_set` is the published set other than ImageNet val that they are
    of, `classes` are the indices that the arg-max was taken over; empty: all 1000.
    """

    name: str
    kind: str
    root: str
    n: int
    n_expected: int
    n_classes: int
    partial: str
    labels: str
    digest: str
    verified: str
    test_set: str = ""
    classes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Numerics:
    device: str
    device_name: str
    dtype: str
    tf32: bool
    threads: int
    batch_size: int


@dataclass(frozen=True, slots=True)
class MacsCount:
    """What one counter saw in one forward pass of one image, and which operators it left out (how often)."""

    macs: int
    counter: str
    version: str
    skipped: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Complexity:
    """Parameters, and multiply-accumulates by counter (`fvcore`, `torch`), of a network at `size_px`."""

    timm_name: str
    size_px: int
    params: int
    macs: Mapping[str, MacsCount]


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts over the rows, recomputable from them alone; accuracies are these integers divided.

    `invalid` says why the run may not be believed (then no percentage is shown), else it is empty.
    `top5_correct` is None where imported predictions list fewer than five classes.
    """

    n: int
    n_scored: int
    top1_correct: int
    top5_correct: int | None
    invalid: str = ""


@dataclass(frozen=True, slots=True)
class LowPrecision:
    """How a fast copy, which computes in `dtype`, gave the decisions of fp32, by that version of the rule.

    Bounds are of differences of logits: calibrated, and as widened by violated checks; None: there was
    nothing to calibrate by. `n_undecided` images of those not calibrated had a lead within the bound,
    `n_low` hold values of that copy, `n_checked` were computed in fp32 though they were safe.
    """

    mode: str
    dtype: str
    rule: int
    first_bound: float | None
    bound: float | None
    n_calibrated: int
    n_undecided: int
    n_low: int
    n_checked: int
    n_violated: int


@dataclass(frozen=True, slots=True)
class RunRecord:
    """All that decided a run's numbers; None where imported predictions do not tell.

    `labels_file` is the absolute path of what `--labels` named, empty where nothing was named.
    `n_cached` counts the images whose crops came from a cache, and of `seconds` the networks had to wait
    `waited_seconds` for images, both in the pass that finished the run; None: that was not measured.
    """

    run_id: str
    fingerprint: str
    model: ModelRecord
    protocol_name: str
    protocol: Protocol | None
    dataset: DatasetRecord
    numerics: Numerics | None
    complexity: Complexity | None
    summary: Summary
    environment: Mapping[str, str]
    code: Mapping[str, str | bool]
    arguments: tuple[str, ...]
    started: str
    seconds: float
    predictions_sha256: str = ""
    schema: int = SCHEMA
    image_modes: Mapping[str, int] = field(default_factory=dict)
    n_cached: int = 0
    waited_seconds: float | None = None
    memory_format: str = "contiguous"
    low_precision: LowPrecision | None = None
    labels_file: str = ""

    @property
    def status(self) -> Literal["complete", "invalid"]:
        return "invalid" if self.summary.invalid else "complete"

    @property
    def decided_in_fp32(self) -> bool:
        """False, too, where imported predictions do not tell."""
        return self.numerics is not None and self.numerics.dtype == "float32"

    @property
    def computed(self) -> str:
        """How the network was run where that was not plainly in fp32; else empty."""
        if low := self.low_precision:
            violated = f", {low.n_violated} violated" if low.n_violated else ""
            how = "with folded norms" if low.dtype == "float32" else f"in {low.dtype}"
            return (
                f"{low.mode}: decided as in fp32; values of {low.n_low:,} images computed {how}, "
                f"{low.n_checked:,} such checked in fp32{violated}"
            )
        if self.numerics and not self.decided_in_fp32:
            return f"computed in {self.numerics.dtype}: a few images are decided otherwise than in fp32"
        return ""

    @property
    def imported(self) -> bool:
        return self.model.weights.origin == IMPORTED

    @property
    def labels_passed(self) -> Path | None:
        """The `--labels` of the evaluation: images in one folder have no others."""
        if self.labels_file:
            return Path(self.labels_file)
        # Earlier versions kept only what was typed, relative to wherever that was.
        for word, following in pairwise((*self.arguments, "")):
            option, given, value = word.partition("=")
            if option == "--labels" and (given or following):
                return Path(value if given else following)
        return None

    def labels_of(self, moved_to: Path | None) -> Path | None:
        """`labels_passed` where the images were; elsewhere they may lie so that they have their own."""
        return self.labels_passed if moved_to is None else None

    @property
    def known_protocol(self) -> Protocol:
        """The protocol that the run was made under.

        Raises:
            UsageError: it is not known, since the run was imported.
        """
        return self._made_here(self.protocol)

    @property
    def known_numerics(self) -> Numerics:
        """The numerics that the run was made with.

        Raises:
            UsageError: they are not known, since the run was imported.
        """
        return self._made_here(self.numerics)

    def _made_here(self, value: _T | None) -> _T:
        if value is None:
            raise UsageError(
                f"{self.run_id} was imported: there are no weights, protocol and images to repeat it by",
                hint="repro runs, for one that was evaluated here",
            )
        return value

    def to_json(self) -> str:
        """The text of `run.json`: sorted, without NaN; `sha256` is that of all the other values."""
        derived = {"status": self.status, "protocol_hash": self.protocol and self.protocol.hash}
        return seal(dataclasses.asdict(self) | derived)

    @classmethod
    def from_json(cls, text: str, path: Path) -> RunRecord:
        """The record in `text`, read from `path`.

        Raises:
            StorageError: the text is damaged, or written by a newer version.
        """
        try:
            schema = json.loads(text)["schema"]  # first: a newer version may seal otherwise
            if schema > SCHEMA:
                raise StorageError(
                    f"{path} has schema {schema}, this version reads 1 to {SCHEMA}",
                    hint="in the checkout of repro: git pull && make install",
                )
            record = _record(unseal(text))
            check_types(record, cls, "it")
            return record
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
            raise StorageError(
                f"{path} is damaged ({type(error).__name__}: {error}); "
                "delete it, and the next evaluation writes it again"
            ) from error


def _record(values: dict[str, Any]) -> RunRecord:
    """Builds the nested dataclasses; derived values (`status`, `protocol_hash`) are computed, not read."""
    del values["status"], values["protocol_hash"]
    model, numerics, complexity = values["model"], values["numerics"], values["complexity"]
    return RunRecord(
        **values
        | {
            "model": ModelRecord(**model | {"weights": WeightsRecord(**model["weights"])}),
            "protocol": (protocol := values["protocol"]) and protocol_from(protocol),
            "dataset": dataset_from(values["dataset"]),
            "numerics": numerics and Numerics(**numerics),
            "complexity": complexity and complexity_from(complexity),
            "summary": Summary(**values["summary"]),
            "arguments": tuple(values["arguments"]),
            "low_precision": (low := values.get("low_precision")) and LowPrecision(**low),
        }
    )


def protocol_from(values: Mapping[str, Any]) -> Protocol:
    """The protocol that `dataclasses.asdict` wrote, and JSON kept: its tuples are lists there."""
    return Protocol(**{**values, **{name: tuple(values[name]) for name in ("mean", "std")}})


def dataset_from(values: Mapping[str, Any]) -> DatasetRecord:
    """The dataset that `dataclasses.asdict` wrote; before there were test sets it had no classes."""
    return DatasetRecord(**{**values, "classes": tuple(values.get("classes", ()))})


def complexity_from(values: Mapping[str, Any]) -> Complexity:
    """The counts that `dataclasses.asdict` wrote."""
    macs = {name: MacsCount(**count) for name, count in values["macs"].items()}
    return Complexity(**{**values, "macs": macs})
