"""The weights of a finished run, found again: by what its record says of them, wherever it lies now."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from repro.catalogue.models import find_model
from repro.evaluation.checkpoints import resolve_timm_spec
from repro.evaluation.weights import LocatedWeights, locate_weights
from repro.exceptions import WeightsRefused
from repro.results.record import RunRecord
from repro.specs import HubWeights, ModelSpec


def locate_run_weights(record: RunRecord) -> tuple[ModelSpec, LocatedWeights]:
    """The very weights of the run: its file, or the hub's at the commit that the run had them from.

    Raises:
        WeightsRefused: those found are others, or none.
        Unavailable: they cannot be had.
    """
    told = record.model.weights
    spec = find_model(record.model.name)
    if told.origin == "file":
        located = locate_weights(spec, Path(told.location))
    else:
        spec = resolve_timm_spec(spec)
        if isinstance(spec.weights, HubWeights):
            spec = replace(spec, weights=replace(spec.weights, revision=told.revision))
        located = locate_weights(spec)
    if located.record.sha256 != told.sha256:
        raise WeightsRefused(
            f"weights of {spec.name} are not those of {record.run_id}: expected sha256 {told.sha256}, "
            f"got {located.record.sha256}; {located.path}",
            hint=f"repro eval --models {spec.name} with the weights that are here now",
        )
    return spec, located
