"""The predictions are those of a plain timm pipeline, photograph by photograph."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.proof.photographs import find_photographs
from tests.proof.promises import Skipped

N_ALL = 1000


def check(n: int) -> dict[str, int]:
    """Predicts `n` photographs here and by timm alone, by the three models whose weights install with pip."""
    from repro.evaluation.evaluate import evaluate
    from repro.evaluation.plan import Request, plan_evaluation
    from repro.results.store import read_rows
    from tests.evaluation.test_evaluate import Watcher
    from tests.test_known_answers import KNOWN, plain_timm

    photographs = find_photographs()
    if photographs is None:
        raise Skipped("the thousand photographs are not here (../shared/data/photos1000)")
    with tempfile.TemporaryDirectory() as folder:
        request = Request(list(KNOWN), Path(folder), data=photographs, limit=n, device="cpu")
        records = evaluate(plan_evaluation(request), Watcher())
        ours = {r.model.name: read_rows(Path(folder) / r.run_id, r).to_pylist() for r in records}
    different = compared = 0
    for model, rows in ours.items():
        theirs = plain_timm(model, [photographs / row["path"] for row in rows])
        different += sum(theirs[photographs / row["path"]] != row["top5"][0] for row in rows)
        compared += len(rows)
        if len(rows) == N_ALL:  # then it is known how many are right
            different += abs(sum(row["rank"] == 0 for row in rows) - KNOWN[model])
    return {
        "models": len(ours),
        "images": compared // len(ours),
        "compared": compared,
        "different": different,
    }
