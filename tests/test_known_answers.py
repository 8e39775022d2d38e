"""Real weights on a thousand real photographs: the numbers and the predictions of a plain timm pipeline."""

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


@pytest.fixture(scope="module")
def photos(shared_data: Path) -> Path:
    return shared_data / "photos1000" / "val"


@pytest.fixture(scope="module")
def measured(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, dict[str, int]]]:
    """By model: how many of the thousand are right, and the predicted class of each photograph."""
    runs = tmp_path_factory.mktemp("runs")
    records = evaluate(plan_evaluation(Request(models=list(KNOWN), runs=runs, data=photos)), Watcher())
    rows = [read_rows(runs / record.run_id, record).to_pylist() for record in records]
    return {
        record.model.name: (record.summary.top1_correct, {row["path"]: row["top5"][0] for row in of_run})
        for record, of_run in zip(records, rows, strict=True)
    }


@pytest.mark.parametrize(("model", "n_correct"), KNOWN.items())
def test_the_known_answers(
    measured: dict[str, tuple[int, dict[str, int]]], model: str, n_correct: int
) -> None:
    found, predictions = measured[model]
    assert (found, len(predictions)) == (n_correct, 1000)


@pytest.mark.parametrize("model", KNOWN)
def test_every_prediction_is_that_of_a_plain_timm_pipeline(
    measured: dict[str, tuple[int, dict[str, int]]], model: str, photos: Path
) -> None:
    """Every fifth photograph here; all of them in `make proof`."""
    predicted = plain_timm(model, sorted(photos.rglob("*.JPEG"))[::5])
    assert len(predicted) == 200
    for path, label in predicted.items():
        assert measured[model][1][path.relative_to(photos).as_posix()] == label


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
