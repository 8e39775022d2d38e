"""How far an answer falls without a map's pixels: among the classes that the run answers among."""

from __future__ import annotations

from importlib.metadata import version

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from repro.evaluation.scoring import Unwatched
from repro.explain import explain
from repro.explain.faithfulness import RANDOM_MAPS, REMOVED, falls
from repro.explain.heat_maps import contrast, logit
from repro.explain.opened import OpenRun
from repro.results.heat_maps import PREDICTED, SCHEMA
from repro.specs import Protocol, digest
from tests.explain.toys import BIG, LAYER, SMALL, among, evaluate_toy, picture_for

SIDE = 8


class Net(nn.Module):
    """One class by the brightness of each quarter; the last, which is far ahead, may be silenced."""

    def __init__(self, last: float) -> None:
        super().__init__()
        self.last = last

    def forward(self, x: Tensor) -> Tensor:
        logits = x.new_full((len(x), 1000), -1e4)
        logits[:, :4] = nn.functional.adaptive_avg_pool2d(x.mean(dim=1), 2).flatten(1)
        logits[:, 3] = 10 * logits[:, 3] + self.last
        return logits


def test_the_fall_is_of_the_probability_among_the_runs_classes() -> None:
    crops = torch.randint(0, 256, (2, 3, SIDE, SIDE), dtype=torch.uint8, generator=torch.manual_seed(1))
    maps = [np.random.default_rng(i).random((2, SIDE, SIDE), dtype=np.float32) for i in range(2)]
    first, second = torch.tensor([0, 1]), torch.tensor([1, 2])
    targets = [logit(first), contrast(first, second)]

    def fallen(last: float, classes: tuple[int, ...]) -> np.ndarray:
        return np.stack(falls(Net(last), crops, Protocol(SIDE, 1.0), maps, targets, ["a", "b"], classes))

    own = fallen(5, (0, 1, 2))
    np.testing.assert_allclose(own, fallen(-1e4, ()), atol=1e-5)
    assert (np.abs(own - fallen(5, ()))[:, 0] > 0.1).all()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> OpenRun:
    pictures = [picture_for("size", BIG, True, np.random.default_rng(3))]
    return evaluate_toy("size", tmp_path_factory.mktemp("toy"), pictures)[0]


def identity_before(run: OpenRun) -> str:
    """That of maps whose falls are among all 1000 classes."""
    how = {"method": "gradcam", "layer": LAYER, "library": version("grad-cam"), "rows": SCHEMA.to_string()}
    return digest({**run.identity, **how, "removed": [REMOVED, RANDOM_MAPS]})


def test_what_was_kept_before_is_taken_up_where_all_classes_count_and_nowhere_else(run: OpenRun) -> None:
    own = among(run, (SMALL, BIG, 3, 4, 5))
    assert explain._identity(run, "gradcam", LAYER) == identity_before(run)
    assert explain._identity(own, "gradcam", LAYER) != identity_before(own)


def test_maps_are_judged_among_the_classes_of_the_run(run: OpenRun) -> None:
    """Without the thing it looks small: among classes of which none is, it is as big as before."""
    own = among(run, (BIG, 3, 4, 5, 6))
    fallen = {}
    for name, one in (("all", run), ("own", own)):
        rows = explain.explain(one, list(one.rows), "gradcam", LAYER, Unwatched()).to_pylist()
        (fallen[name],) = (row["fall"] for row in rows if row["target"] == PREDICTED)
    assert fallen["all"] > 1
    assert abs(fallen["own"]) < 1e-3
