"""`metaformer:poolformer_s12` is evaluated like any model, and answers as timm's network does."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from repro.catalogue.models import find_model
from repro.commands import app
from repro.evaluation.metaformer_names import from_timm
from repro.evaluation.networks import build_network
from repro.evaluation.weights import locate_weights
from repro.exceptions import UsageError, WeightsRefused
from tests.oracle import paint_folders

OWN = "metaformer:poolformer_s12"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """PoolFormer-S12's tensors as timm names them, random, none of them near zero."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "model.safetensors"
    tensors = timm.create_model("poolformer_s12").state_dict()
    save_file({name: torch.randn_like(t) * 0.05 + ("scale" in name) for name, t in tensors.items()}, path)
    return path


def test_both_codes_give_the_same_rows(weights: Path, tmp_path: Path) -> None:
    data = paint_folders(tmp_path / "val", range(0, 1000, 250))
    rows = {}
    for model, option in (("poolformer_s12", f"poolformer_s12={weights}"), (OWN, str(weights))):
        arguments = ["--models", model, "--weights", option, "--data", str(data)]
        runs = tmp_path / model.replace(":", "-")
        result = CliRunner().invoke(app, ["eval", *arguments, "--no-canary", "--runs", str(runs)])
        assert result.exit_code == 0, result.stderr
        (path,) = runs.glob("*/predictions.parquet")
        rows[model] = pq.read_table(path)
    ours, theirs = rows[OWN], rows["poolformer_s12"]
    assert len({tuple(top5) for top5 in theirs["top5"].to_pylist()}) > 1
    for column in ("image_id", "top5", "rank"):
        assert ours[column].to_pylist() == theirs[column].to_pylist()
    assert ours["p_label"].to_pylist() == pytest.approx(theirs["p_label"].to_pylist(), rel=1e-4)


def test_a_file_may_have_our_names(weights: Path, tmp_path: Path) -> None:
    path = tmp_path / "ours.safetensors"
    save_file(from_timm(load_file(weights)), path)
    spec = find_model(OWN)
    first, second = (build_network(spec, locate_weights(spec, file)) for file in (weights, path))
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name]), name


def test_a_file_that_does_not_fit_is_refused(weights: Path, tmp_path: Path) -> None:
    tensors = load_file(weights)
    del tensors["head.fc.bias"]
    path = tmp_path / "less.safetensors"
    save_file(tensors, path)
    spec = find_model(OWN)
    with pytest.raises(WeightsRefused, match=r"does not fit poolformer_s12.*head\.bias"):
        build_network(spec, locate_weights(spec, path))
    larger = find_model("metaformer:poolformer_s24")
    with pytest.raises(WeightsRefused, match=r"does not fit poolformer_s24"):
        build_network(larger, locate_weights(larger, weights))


def test_only_poolformers_are_built_so() -> None:
    with pytest.raises(
        UsageError, match="unknown model 'metaformer:deit_s'; there are metaformer:poolformer_s12, "
    ):
        find_model("metaformer:deit_s")
