"""Each probe finds the cause of the network that has it, and stays silent on the other two."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from repro.analysis.attribution import attribute, match_controls
from repro.datasets.boxes import Box
from repro.explain.doses import DOSES
from repro.explain.opened import OpenRun
from repro.explain.probing import probe
from tests.evaluation.test_evaluate import Watcher
from tests.explain.toys import BIG, LAYER, SMALL, TOYS, evaluate_toy, picture_for

N_ERRORS = 20

Run = tuple[OpenRun, Mapping[str, tuple[Box, ...]]]


def errors_of(run: OpenRun) -> list[str]:
    return sorted(image_id for image_id, row in run.rows.items() if row["rank"] > 0)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """One of each network, as many errors as right answers; the arrangement's errors are all of one kind."""
    found = {}
    for kind in TOYS:
        rng = np.random.default_rng(7)
        labels = [BIG if kind == "shape" or i % 2 else SMALL for i in range(N_ERRORS)]
        pictures = [picture_for(kind, label, right, rng) for right in (False, True) for label in labels]
        found[kind] = evaluate_toy(kind, tmp_path_factory.mktemp(kind), pictures)
        assert len(errors_of(found[kind][0])) == N_ERRORS
    return found


@pytest.mark.parametrize("kind", DOSES)
@pytest.mark.parametrize("cause", TOYS)
def test_a_probe_finds_its_own_cause_and_no_other(cause: str, kind: str, runs: dict[str, Run]) -> None:
    run, boxes = runs[cause]
    errors = errors_of(run)
    controls = match_controls(list(run.rows.values()), errors)
    rows = probe(run, [*errors, *controls], kind, Watcher(), boxes=boxes, layer=LAYER)
    gentle = [(dose.name, dose.dose) for dose in DOSES[kind] if dose.gentle]
    found = attribute(rows, errors, controls, gentle)
    assert not found.disagreeing
    assert set(found.focus) == ({"none"} if kind == "shape" else {"box"})
    share = len(found.driven) / len(errors)
    assert share >= 0.95 if cause == kind else share <= 0.05
