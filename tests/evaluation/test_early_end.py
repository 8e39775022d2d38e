"""Loading that ends early, silently as a DataLoader lets it, leaves no percentage behind."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest

from repro.datasets.class_folders import ClassFolders
from repro.evaluation.canary import put_canary_first
from repro.evaluation.evaluate import evaluate
from repro.evaluation.plan import Request, plan_evaluation
from repro.specs import Sample
from tests.evaluation.test_evaluate import Watcher
from tests.oracle import NAME, paint_folders, save_weights

N_IMAGES, N_FIRST_SHARD = 300, 256


class EndsEarly(ClassFolders):
    """To torch's loader StopIteration from a dataset is the end of the data."""

    def read(self, sample: Sample) -> bytes:
        if sample == put_canary_first(self.samples, N_FIRST_SHARD)[-30]:
            raise StopIteration
        return super().read(sample)


@pytest.mark.parametrize("workers", [0, 1])
def test_images_that_never_came_are_missing(workers: int, tmp_path: Path) -> None:
    """The first shard is whole, the second never ends."""
    request = Request(
        models=[NAME],
        runs=tmp_path / "runs",
        data=paint_folders(tmp_path / "photos", range(0, N_IMAGES, 100), per_class=100),
        weights={NAME: save_weights(tmp_path / "oracle.safetensors")},
        device="cpu",
        batch_size=64,
        workers=workers,
    )
    plan = plan_evaluation(request)
    own = {field.name: getattr(plan.dataset, field.name) for field in fields(plan.dataset)}
    (record,) = evaluate(replace(plan, dataset=EndsEarly(**own)), Watcher())
    assert record.status == "invalid"
    assert (record.summary.n, record.summary.n_scored) == (N_IMAGES, N_FIRST_SHARD)
    assert record.summary.invalid.startswith("44 images missing (")
