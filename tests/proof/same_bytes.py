"""The same settings give the same bytes; other batches, threads and loader processes the same predictions."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from tests.proof.photographs import find_photographs

MODEL = "efficientnet_lite0"

SAME = ({}, {}, {"workers": 1}, {"workers": 2})
"""Settings that decide no byte of a run."""

OTHER = ({"batch_size": 7}, {"batch_size": 1}, {"threads": 1})
"""Settings that may move the last digits, and with them no prediction."""


def check(n: int) -> dict[str, int]:
    """Evaluates `n` photographs again and again; `different_bytes` counts files, `changed` predictions."""
    import torch

    threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder:
        try:
            first, *again = [_evaluate(n, settings, Path(folder)) for settings in SAME]
            others = [_evaluate(n, settings, Path(folder)) for settings in OTHER]
        finally:
            torch.set_num_threads(threads)
    return {
        "images": len(first[1]),
        "runs": len(SAME),
        "different_bytes": sum(sha256 != first[0] for sha256, _ in again),
        "settings": len(OTHER),
        "changed": sum(predicted[path] != best for _, predicted in others for path, best in first[1].items()),
    }


def _evaluate(n: int, settings: dict[str, int], runs: Path) -> tuple[str, dict[str, int]]:
    """The SHA-256 of the rows, and the predicted class by image; the run is removed again."""
    from repro.evaluation.evaluate import evaluate
    from repro.evaluation.plan import Request, plan_evaluation
    from repro.results.store import read_rows
    from tests.evaluation.test_evaluate import Watcher

    request = Request([MODEL], runs, data=find_photographs(), limit=n, device="cpu", workers=0)
    (record,) = evaluate(plan_evaluation(replace(request, **settings)), Watcher())
    rows = read_rows(runs / record.run_id, record).to_pylist()
    shutil.rmtree(runs / record.run_id)
    return record.predictions_sha256, {row["path"]: row["top5"][0] for row in rows}
