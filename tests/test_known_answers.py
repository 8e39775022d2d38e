"""Real weights on real photographs: the numbers and the predictions of a plain timm pipeline.

One model on all thousand, the others on every twentieth: all would take minutes. `make proof` takes all.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from PIL import Image
from timm.data import create_transform, resolve_data_config

from repro.catalogue.models import find_model
from repro.evaluation.evaluate import evaluate
from repro.evaluation.plan import Request, plan_evaluation
from repro.evaluation.weights import load_tensors, locate_weights
from repro.results.store import read_rows
from tests.evaluation.test_evaluate import Watcher

KNOWN = {"efficientnet_lite0": 890, "efficientnet_lite1": 907, "efficientnet_lite2": 914}
"""How many of the thousand are right."""

FIRST, *OTHERS = KNOWN
EVERY = 20


@pytest.fixture(scope="module")
def photos(shared_data: Path) -> Path:
    return shared_data / "photos1000" / "val"


@pytest.fixture(scope="module")
def twentieth(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every twentieth photograph, in folders of its own."""
    folder = tmp_path_factory.mktemp("twentieth")
    for path in sorted(photos.rglob("*.JPEG"))[::EVERY]:
        place = folder / path.relative_to(photos)
        place.parent.mkdir(exist_ok=True)
        place.symlink_to(path)
    return folder


def evaluated(models: list[str], data: Path, runs: Path) -> dict[str, tuple[int, dict[str, int]]]:
    """By model: how many are right, and the predicted class of each photograph."""
    records = evaluate(plan_evaluation(Request(models=models, runs=runs, data=data)), Watcher())
    rows = [read_rows(runs / record.run_id, record).to_pylist() for record in records]
    return {
        record.model.name: (record.summary.top1_correct, {row["path"]: row["top5"][0] for row in of_run})
        for record, of_run in zip(records, rows, strict=True)
    }


def assert_same(predictions: dict[str, int], model: str, photos: Path) -> None:
    predicted = plain_timm(model, sorted(photos.rglob("*.JPEG"))[::EVERY])
    assert len(predicted) == 1000 // EVERY
    for path, label in predicted.items():
        assert predictions[path.relative_to(photos).as_posix()] == label


def test_the_known_answers(photos: Path, tmp_path: Path) -> None:
    n_correct, predictions = evaluated([FIRST], photos, tmp_path)[FIRST]
    assert (n_correct, len(predictions)) == (KNOWN[FIRST], 1000)
    assert_same(predictions, FIRST, photos)


def test_other_models_in_one_pass(photos: Path, twentieth: Path, tmp_path: Path) -> None:
    found = evaluated(OTHERS, twentieth, tmp_path)
    for model in OTHERS:
        assert len(found[model][1]) == 1000 // EVERY
        assert_same(found[model][1], model, photos)


def plain_timm(model: str, paths: list[Path]) -> dict[Path, int]:
    """As timm's documentation has it: create the model, resolve its transform, go through the images."""
    spec = find_model(model)
    network = timm.create_model(str(spec.tag)).eval()
    names = network.state_dict()
    network.load_state_dict(dict(zip(names, load_tensors(locate_weights(spec)).values(), strict=True)))
    transform = create_transform(**resolve_data_config({}, model=network))
    predicted: dict[Path, int] = {}
    with torch.inference_mode():
        for start in range(0, len(paths), 20):
            some = paths[start : start + 20]
            batch = torch.stack([transform(Image.open(path).convert("RGB")) for path in some])
            predicted |= dict(zip(some, network(batch).argmax(dim=1).tolist(), strict=True))
    return predicted
