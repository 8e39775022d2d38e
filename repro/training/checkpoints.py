"""One training on disk: its last checkpoint while it is under way, weights and record when it is done.

runs/trainings/small-0-1a2b3c4d/
  checkpoints/0007-….safetensors   all that the next epoch needs; its name ends in its SHA-256
  log.csv                          a row an epoch
  model.safetensors                written at the end, then
  training.json                    the record: its presence means that the training is whole
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from repro.exceptions import Busy, StorageError
from repro.results.atomic import storage_errors, sweep_temporaries, write_atomically
from repro.results.locks import take_lock
from repro.results.sealed import seal, unseal

Row = Mapping[str, int | float | None]
"""What an epoch brought, by column of the log; None: not measured."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What training goes on from: tensors by name, the log so far, updates of the weights so far."""

    tensors: Mapping[str, Tensor]
    log: Sequence[Row]
    updates: int


class TrainingFolder:
    """`identity` is the digest of all that decides the weights; what bears another is refused."""

    def __init__(self, path: Path, identity: str) -> None:
        self.path, self.identity = path, identity
        self.record_path = path / "training.json"
        self.weights_path = path / "model.safetensors"
        self._checkpoints = path / "checkpoints"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the training for this process.

        Raises:
            Busy: another process has it.
        """
        lock = take_lock(self.path / ".lock", self._busy)
        try:
            with storage_errors(self._checkpoints):
                self._checkpoints.mkdir(exist_ok=True)
            for folder in (self.path, self._checkpoints):
                sweep_temporaries(folder)
            yield
        finally:
            lock.release()

    def _busy(self) -> Busy:
        return Busy(
            f"another repro process trains in {self.path}",
            hint="wait for it, or stop it; whole epochs are kept",
        )

    def record(self) -> dict[str, Any] | None:
        """The record of the training that is done, or None.

        One without a seal is of an earlier version, and taken as it stands.

        Raises:
            StorageError: it is damaged, or that of another training.
        """
        if not self.record_path.is_file():
            return None
        try:
            text = self.record_path.read_text(encoding="utf-8")
            record: dict[str, Any] = json.loads(text)
            if "sha256" in record:
                record = unseal(text)
            identity = record["identity"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StorageError(f"{self.record_path} is damaged; delete {self.path} to train anew") from error
        self._require_own(identity)
        return record

    def finished_weights(self) -> Path:
        """The file of the weights of the training that is done.

        Raises:
            StorageError: it cannot be read, or is not the file that was written.
        """
        record = self.record() or {}
        try:
            if hashlib.sha256(self.weights_path.read_bytes()).hexdigest() == record.get("weights_sha256"):
                return self.weights_path
            why = f"its SHA-256 is not that of {self.record_path.name}"
        except OSError as error:
            why = str(error)
        raise StorageError(f"{self.weights_path} is damaged ({why}); delete {self.path} to train anew")

    def load(self) -> Checkpoint | None:
        """The last checkpoint that is whole; None where there is none."""
        for path in reversed(self._files()):
            with storage_errors(path), suppress(FileNotFoundError):  # another process of torchrun was faster
                data = path.read_bytes()
                if hashlib.sha256(data).hexdigest() == path.stem.partition("-")[2]:
                    return self._parse(path, data)
                path.replace(path.with_suffix(".corrupt"))
        return None

    def _parse(self, path: Path, data: bytes) -> Checkpoint:
        with safetensors.safe_open(path, framework="pt") as file:
            state = json.loads(file.metadata()["state"])
        self._require_own(state["identity"])
        return Checkpoint(safetensors.torch.load(data), state["log"], state["updates"])

    def _require_own(self, identity: str) -> None:
        if identity != self.identity:
            raise StorageError(
                f"{self.path} holds another training: recipe, seed or images differ",
                hint="choose another folder with --out, or none",
            )

    def save(self, checkpoint: Checkpoint) -> None:
        """Keeps a checkpoint, then drops those before it; a kill in between leaves both."""
        state = {"identity": self.identity, "log": checkpoint.log, "updates": checkpoint.updates}
        metadata = {"state": json.dumps(state, allow_nan=False)}
        data = safetensors.torch.save(dict(checkpoint.tensors), metadata)
        name = f"{len(checkpoint.log):04d}-{hashlib.sha256(data).hexdigest()}.safetensors"
        path = self._checkpoints / name
        write_atomically(path, data)
        for other in self._files():
            if other != path:
                with storage_errors(other):
                    other.unlink()

    def finish(self, network: nn.Module, about: Mapping[str, str], record: Mapping[str, Any]) -> None:
        """Writes the weights, then the record; the checkpoints go last."""
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
        data = safetensors.torch.save(tensors, dict(about))
        write_atomically(self.weights_path, data)
        whole = {
            "identity": self.identity,
            **record,
            "weights_sha256": hashlib.sha256(data).hexdigest(),
        }
        write_atomically(self.record_path, seal(whole, sort=False).encode())
        self.tidy()

    def tidy(self) -> None:
        """Drops the checkpoints of a training that is done, as a kill right after its record has not."""
        with suppress(StorageError, OSError):
            for path in self._files():
                path.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        with storage_errors(self._checkpoints):
            return sorted(self._checkpoints.glob("[0-9]*-*.safetensors"))


def pack(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors as a checkpoint holds them: `network/head.weight`."""
    return {f"{prefix}/{name}": tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def unpack(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What `pack` packed under `prefix`."""
    start = f"{prefix}/"
    return {name.removeprefix(start): t for name, t in tensors.items() if name.startswith(start)}


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """What the optimiser remembers of each parameter: `3/exp_avg`."""
    state = optimizer.state_dict()["state"]
    return {f"{index}/{name}": tensor for index, kept in state.items() for name, tensor in kept.items()}


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Gives back what `optimizer_tensors` took, each tensor laid out in memory as its parameter is."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, _, key = name.partition("/")
        like = parameters[int(index)]
        laid = torch.empty_like(like).copy_(tensor) if tensor.shape == like.shape and tensor.ndim else tensor
        state.setdefault(int(index), {})[key] = laid
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
