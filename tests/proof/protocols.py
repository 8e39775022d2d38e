"""What another protocol makes: another hash, another run without a row of the first, and no verdict."""

from __future__ import annotations

import tempfile
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from repro.analysis.compare import compare_table
from repro.analysis.verdict import Verdict
from repro.catalogue.models import find_model
from repro.catalogue.tables import find_table
from repro.specs import Protocol
from tests.analysis.records import run_of

OTHER: dict[str, Any] = {
    "size_px": 64,
    "crop": 0.95,
    "interpolation": "bilinear",
    "mean": (0.5, 0.5, 0.5),
    "std": (0.5, 0.5, 0.5),
    "crop_mode": "squash",
}
"""Another value for every field."""


def check() -> dict[str, int]:
    """Changes every field of a protocol by itself; `reused` counts rows taken from another run's."""
    names = [field.name for field in fields(Protocol)]
    printed = find_model("deit_s").protocols["authors"]
    changed = [replace(printed, **{name: OTHER[name]}) for name in names]
    return {
        "fields": len(names),
        "hashes_changed": len({protocol.hash for protocol in changed} - {printed.hash}),
        "refused": sum(_verdict(protocol) is Verdict.NOT_COMPARABLE for protocol in changed),
        "reused": count_reused(names),
    }


def _verdict(protocol: Protocol) -> Verdict:
    """What is said of a whole run under `protocol` beside the printed figure."""
    run = run_of("deit_s", 39_900, protocol=protocol)
    rows = compare_table(find_table("paper"), [run], {}, "authors").rows
    return next(row.verdict for row in rows if row.model == "deit_s")


def count_reused(names: list[str]) -> int:
    """Evaluates painted images under a protocol, then with each of its fields changed, in one folder."""
    from repro.evaluation.evaluate import evaluate
    from repro.evaluation.plan import Request, plan_evaluation
    from tests.evaluation.test_evaluate import Watcher
    from tests.oracle import NAME, paint_folders, save_weights

    with tempfile.TemporaryDirectory() as folder:
        data = paint_folders(Path(folder) / "photos", range(0, 40, 8))
        weights = {NAME: save_weights(Path(folder) / "oracle.safetensors")}
        request = Request([NAME], Path(folder) / "runs", data=data, weights=weights, device="cpu", workers=0)
        plan = plan_evaluation(request)
        (candidate,) = plan.candidates
        own = candidate.protocol
        n_scored = 0
        for protocol in (own, *(replace(own, **{name: OTHER[name]}) for name in names)):
            watcher = Watcher()
            evaluate(replace(plan, candidates=(replace(candidate, protocol=protocol),)), watcher)
            n_scored += watcher.n_scored
        return (1 + len(names)) * len(plan.dataset.samples) - n_scored
