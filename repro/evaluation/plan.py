"""What an evaluation will do, settled before torch is imported, so that what cannot work fails at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from repro.catalogue.models import find_model, require_protocol
from repro.datasets import Dataset, limit, open_dataset
from repro.doctor.label_order import refuse_wrong_order
from repro.evaluation.weights import LocatedWeights, locate_weights, require_cached_if_offline
from repro.exceptions import UsageError
from repro.results.manifest import Manifest, find_manifest, manifest_path
from repro.results.weights_lock import WeightsLock
from repro.specs import ModelSpec, Protocol

PRECISIONS = ("fp32", "exact-fast", "auto", "bf16", "fp16")


@dataclass(frozen=True, slots=True)
class Request:
    """An evaluation as it was asked for; None leaves the choice to the evaluation.

    `weights` names local safetensors files by model; `arguments` is the command line as passed.
    `crops` is the folder of the crop cache, if one is to be used; with `hash_images` every image is read
    even so, to know that its bytes are those of its crop.
    `tune` lets a trial choose what else is left open (`trial.py`), and `precision` `auto` that alone.
    """

    models: Sequence[str]
    runs: Path
    data: Path | None = None
    labels: Path | None = None
    test_set: str | None = None
    limit: int | None = None
    seed: int = 0
    protocol_name: str = "authors"
    weights: Mapping[str, Path] = field(default_factory=dict)
    device: str = "auto"
    batch_size: int | None = None
    threads: int | None = None
    workers: int | None = None
    allow_unreadable: bool = False
    canary: bool = True
    crops: Path | None = None
    hash_images: bool = False
    precision: str = "fp32"
    tune: bool = False
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model to be evaluated, its protocol chosen and its weights found and verified."""

    spec: ModelSpec
    protocol: Protocol
    weights: LocatedWeights


@dataclass(frozen=True, slots=True)
class Plan:
    """Which models on which images; `listing` is the digest of the expected samples.

    `manifest`, where `repro doctor` made one, vouches for the images' bytes.
    """

    request: Request
    dataset: Dataset
    listing: str
    candidates: tuple[Candidate, ...]
    manifest: Manifest | None = None


def plan_evaluation(request: Request) -> Plan:
    """Finds models, images and weights.

    Raises:
        UsageError: a name or an option cannot be meant.
        DataRefused, WeightsRefused: what was found cannot be trusted.
        Unavailable: weights are not here and cannot be had.
    """
    if request.precision not in PRECISIONS:
        raise UsageError(f"unknown precision {request.precision!r}; there are {', '.join(PRECISIONS)}")
    require_protocol(request.protocol_name)
    specs = choose_models(request.models)
    _check_local_weights(request.weights, specs)
    dataset = open_dataset(request.data, request.labels, request.test_set)
    if request.canary:
        refuse_wrong_order(dataset, request.labels)
    manifest = find_manifest(manifest_path(request.runs, dataset.name, dataset.listing))
    if request.limit is not None:
        dataset = limit(dataset, request.limit, request.seed)
    return Plan(
        request=request,
        dataset=dataset,
        listing=dataset.listing,
        candidates=tuple(_candidate(spec, request) for spec in specs),
        manifest=manifest,
    )


def choose_models(names: Sequence[str]) -> list[ModelSpec]:
    """The models called `names`, each once.

    Raises:
        UsageError: a name is unknown, or its model cannot be run.
    """
    specs = list({spec.name: spec for spec in map(find_model, names)}.values())
    if not specs:
        raise UsageError("no model named", hint="repro eval --models poolformer_s24,deit_s")
    for spec in specs:
        if not spec.runnable:
            raise UsageError(f"{spec.name} cannot be run: {spec.unavailable}", hint="repro models")
    return specs


def _candidate(spec: ModelSpec, request: Request) -> Candidate:
    local = _local_path(spec, request.weights)
    if not spec.protocols:
        if local is None:
            require_cached_if_offline(spec)  # importing timm takes seconds
        # Only timm knows how it evaluates a checkpoint that is not in the catalogue.
        from repro.evaluation.checkpoints import resolve_timm_spec

        spec = resolve_timm_spec(spec)
    weights = locate_weights(spec, local, WeightsLock(request.runs))
    return Candidate(spec, spec.protocols[request.protocol_name], weights)


def _check_local_weights(weights: Mapping[str, Path], specs: Sequence[ModelSpec]) -> None:
    wanted = {spec.name for spec in specs}
    for name in weights:
        if find_model(name).name not in wanted:
            raise UsageError(f"--weights {name}=… names a model that is not evaluated; add it to --models")


def _local_path(spec: ModelSpec, weights: Mapping[str, Path]) -> Path | None:
    return next((path for name, path in weights.items() if find_model(name).name == spec.name), None)
