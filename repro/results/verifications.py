"""What was decided early (`runs/verifications/CLAIM-….json`): never a run, and never in a table of runs."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from repro.exceptions import StorageError
from repro.results.atomic import write_atomically
from repro.results.record import DatasetRecord, WeightsRecord, dataset_from, protocol_from
from repro.results.runs import file_name
from repro.results.sealed import seal, unseal
from repro.specs import Protocol

SCHEMA = 2
"""Also of the way of deciding: another one makes other files."""


@dataclass(frozen=True, slots=True)
class VerifiedModel:
    """`run_id` is the finished run whose rows were used; empty where the images were evaluated for this."""

    name: str
    label: str
    weights: WeightsRecord
    protocol: Protocol
    run_id: str


@dataclass(frozen=True, slots=True)
class VerifiedPair:
    """One model beside another: `side` of the region in which the difference was found, empty while open.

    `low` and `high` bound the difference (subject minus reference) over all images; fractions.
    """

    subject: str
    reference: str
    alpha: float
    side: str
    n_used: int
    low: float
    high: float
    excludes_stated: bool


@dataclass(frozen=True, slots=True)
class VerificationRecord:
    """A decision, and all that it rests on.

    It fell with the first `n_used` of `dataset.n` images in the order of `seed`; `n_evaluated` had been
    scored by then. `alpha` is the probability, over the orders, of a wrong decision at the most.
    `dataset.digest` is over the images used, `seen` has the SHA-256 of some of them by id; `machine` is empty
    where stored runs gave all the rows.
    """

    key: str
    claim: str
    says: str
    stated: str
    within: str
    decision: str
    n_used: int
    n_evaluated: int
    alpha: float
    seed: int
    pairs: tuple[VerifiedPair, ...]
    models: tuple[VerifiedModel, ...]
    protocol_name: str
    dataset: DatasetRecord
    seen: Mapping[str, str]
    machine: Mapping[str, Any]
    code: Mapping[str, str | bool]
    arguments: tuple[str, ...]
    started: str
    seconds: float
    schema: int = SCHEMA

    def to_json(self) -> str:
        """Sorted, without NaN; `sha256` is that of all the other values."""
        return seal(dataclasses.asdict(self))


def verifications_folder(runs: Path) -> Path:
    """Where decisions lie, and the shards of those under way."""
    return runs / "verifications"


def verification_path(runs: Path, claim: str, key: str) -> Path:
    """Where the decision of `claim` lies; `key` is the digest of all that decides it."""
    return verifications_folder(runs) / f"{file_name(claim)}-{key[:8]}.json"


def write_verification(path: Path, record: VerificationRecord) -> None:
    """Writes a decision, whole or not at all.

    Raises:
        StorageError: the disk does not take it.
    """
    write_atomically(path, record.to_json().encode())


def find_verification(path: Path, key: str) -> VerificationRecord | None:
    """The decision in `path`, or None where there is none.

    Raises:
        StorageError: it is damaged, or that of another question.
    """
    again = f"rm {shlex.quote(str(path))}, then run the same command again"
    try:
        record = _record(unseal(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise StorageError(f"{path} is damaged ({type(error).__name__}: {error})", hint=again) from error
    if record.key != key:
        raise StorageError(f"{path} holds another decision (key {record.key[:16]}…)", hint=again)
    return record


def _record(values: dict[str, Any]) -> VerificationRecord:
    return VerificationRecord(
        **values
        | {
            "pairs": tuple(VerifiedPair(**pair) for pair in values["pairs"]),
            "models": tuple(map(_model, values["models"])),
            "dataset": dataset_from(values["dataset"]),
            "arguments": tuple(values["arguments"]),
        }
    )


def _model(values: dict[str, Any]) -> VerifiedModel:
    weights, protocol = WeightsRecord(**values["weights"]), protocol_from(values["protocol"])
    return VerifiedModel(**values | {"weights": weights, "protocol": protocol})
