"""Which run stands for a model, and whether its accuracy may be laid beside a printed one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from repro.catalogue.models import load_models
from repro.datasets.dataset import IMAGENET_VAL
from repro.results.record import ModelRecord, RunRecord
from repro.specs import ModelSpec, Protocol


def choose_run(runs: Sequence[RunRecord], protocol: Protocol | None, test_set: str = "") -> RunRecord | None:
    """Of several runs the one that says most about the row; `test_set` as in `why_not_comparable`."""

    def preference(run: RunRecord) -> tuple[bool, bool, bool, bool, bool, bool, int, str, str]:
        return (
            run.dataset.test_set == test_set,
            protocol in (None, run.protocol),
            not _why_partial(run, test_set),
            not run.summary.invalid,
            not is_local(run),
            run.decided_in_fp32,
            run.summary.n_scored,
            run.started,
            run.run_id,
        )

    return max(runs, key=preference, default=None)


def spec_of(model: ModelRecord) -> ModelSpec:
    """The model of a run; it need not even be in the catalogue."""
    known = {spec.name: spec for spec in load_models()}
    return known.get(model.name) or ModelSpec(
        name=model.name, token_mixer=model.token_mixer, label=model.label, tag=model.timm_name
    )


def is_local(run: RunRecord) -> bool:
    return run.model.weights.origin == "file"


def why_not_comparable(run: RunRecord, protocol: Protocol | None, test_set: str = "") -> str:
    """Why the run's accuracy is none on the whole of `test_set` (empty: ImageNet val) under `protocol`."""
    if run.protocol is None:
        return "imported predictions: the protocol that they were made under is not known"
    differing = _protocol_difference(run.protocol, protocol) if protocol else ""
    return "; ".join(filter(None, (differing, _why_partial(run, test_set))))


def _protocol_difference(used: Protocol, wanted: Protocol) -> str:
    """`protocol differs: crop 0.9 instead of 0.875`; empty where all fields agree, whatever the names."""
    differing = [
        f"{field.name} {getattr(used, field.name)} instead of {getattr(wanted, field.name)}"
        for field in fields(Protocol)
        if getattr(used, field.name) != getattr(wanted, field.name)
    ]
    return f"protocol differs: {', '.join(differing)}" if differing else ""


def _why_partial(run: RunRecord, test_set: str) -> str:
    """Why the run's images are not the whole set, each scored; empty when they are."""
    if run.dataset.test_set != test_set:
        return f"another test set: {run.dataset.test_set or run.dataset.name}"
    if not test_set and run.dataset.name != IMAGENET_VAL:
        return run.dataset.partial or f"another test set: {run.dataset.name}"
    if run.dataset.partial:
        return run.dataset.partial
    if run.summary.n != run.dataset.n_expected:
        return f"{run.summary.n:,} of {run.dataset.n_expected:,} images"
    if missing := run.summary.n - run.summary.n_scored:
        return f"{missing:,} of {run.summary.n:,} images without a prediction"
    return ""
