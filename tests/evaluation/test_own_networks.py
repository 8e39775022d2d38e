"""`metaformer:poolformer_s12` is evaluated like any model, and answers as timm's network does."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from dataclasses import asdict, replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from repro.architecture import POOLFORMERS
from repro.catalogue.models import find_model
from repro.commands import app
from repro.evaluation.exact_fast import Lowered
from repro.evaluation.metaformer_names import from_timm, to_timm
from repro.evaluation.networks import build_network, create_untrained
from repro.evaluation.weights import locate_weights
from repro.exceptions import UsageError, WeightsRefused
from repro.metaformer import MetaFormer
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


def test_the_last_layer_is_in_fp32_at_low_precision_as_timms_is() -> None:
    network = Lowered(MetaFormer(POOLFORMERS["poolformer_s12"]).eval(), torch.bfloat16)
    with torch.inference_mode():
        logits = network(torch.rand(1, 3, 224, 224))
    assert logits.dtype == torch.float32
    assert logits.bfloat16().float().ne(logits).any()  # finer than bf16 holds


def test_a_file_may_have_our_names(weights: Path, tmp_path: Path) -> None:
    path = tmp_path / "ours.safetensors"
    save_file(from_timm(load_file(weights)), path)
    spec = find_model(OWN)
    first, second = (build_network(spec, locate_weights(spec, file)) for file in (weights, path))
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name]), name


AS_AUTHORS_CALL_THEM = (
    (r"^stem\.norm", "downsample_layers.0.post_norm"),
    (r"^stem", "downsample_layers.0"),
    (r"^stages\.(\d)\.downsample\.norm", r"downsample_layers.\1.pre_norm"),
    (r"^stages\.(\d)\.downsample", r"downsample_layers.\1"),
    (r"^stages\.(\d)\.blocks", r"stages.\1"),
    (r"^head\.norm", "norm"),
    (r"^head\.fc", "head"),
)
"""Timm's names in the second paper's files, where channels are last and every 1x1 convolution is linear."""


def test_a_file_of_the_second_papers_authors_is_evaluated_by_its_models_name(tmp_path: Path) -> None:
    """RandFormer, which timm does not have; its matrices are in the file, though nothing learns them."""
    torch.manual_seed(0)
    spec = find_model("randformer_s12")
    tensors = {
        name: torch.rand_like(t) for name, t in to_timm(create_untrained(spec.name).state_dict()).items()
    }
    theirs = {}
    for timms, tensor in tensors.items():
        name = timms
        for pattern, new in AS_AUTHORS_CALL_THEM:
            name = re.sub(pattern, new, name)
        theirs[name] = tensor[:, :, 0, 0] if ".mlp.fc" in name else tensor
    assert "stages.3.1.token_mixer.random_matrix" in theirs
    assert theirs["stages.3.1.mlp.fc1.weight"].shape == (2048, 512)
    path = tmp_path / "randformer_s12.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in theirs.items()}, path)
    network = build_network(spec, locate_weights(spec, path))
    assert to_timm(network.state_dict()).keys() == tensors.keys()
    for name, tensor in to_timm(network.state_dict()).items():
        assert torch.equal(tensor, tensors[name]), name
    data = paint_folders(tmp_path / "val", range(0, 1000, 500))
    arguments = ["--models", spec.name, "--weights", str(path), "--data", str(data), "--no-canary"]
    result = CliRunner().invoke(app, ["eval", *arguments, "--runs", str(tmp_path)])
    assert result.exit_code == 0, result.stderr
    (run,) = (json.loads(path.read_text()) for path in tmp_path.glob("*/run.json"))
    assert run["complexity"]["params"] == 11_891_712
    assert run["summary"]["n_scored"] == 2


def test_a_model_whose_weights_nobody_fetches_says_what_it_needs(tmp_path: Path) -> None:
    data = paint_folders(tmp_path / "val", range(0, 1000, 500))
    result = CliRunner().invoke(app, ["eval", "--models", "identityformer_s12", "--data", str(data)])
    assert result.exit_code == 3
    assert "weights of identityformer_s12 are not fetched: needs a file of them" in result.stderr
    assert "try:   repro eval --models identityformer_s12 --weights FILE.safetensors" in result.stderr
    pickle = tmp_path / "identityformer_s12.pth"
    torch.save({"a": torch.zeros(1)}, pickle)
    spec = find_model("metaformer:identityformer_s12")
    with pytest.raises(WeightsRefused, match="only safetensors are loaded") as refused:
        locate_weights(spec, pickle)
    converted = subprocess.run(shlex.split(refused.value.hint), check=False, capture_output=True, text=True)
    assert converted.returncode == 0, converted.stderr
    assert load_file(pickle.with_suffix(".safetensors")).keys() == {"a"}


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


def test_a_file_that_states_another_network_is_refused(weights: Path, tmp_path: Path) -> None:
    """Its tensors have the names and shapes of PoolFormer-S12's; `repro train` says what they are of."""
    spec, path = find_model(OWN), tmp_path / "trained.safetensors"

    def build(**stated: object) -> None:
        about = asdict(replace(POOLFORMERS["poolformer_s12"], **stated))  # type: ignore[arg-type]
        save_file(from_timm(load_file(weights)), path, {"architecture": json.dumps(about)})
        build_network(spec, locate_weights(spec, path))

    build(drop_path=0.1, layer_scale=1e-6)
    with pytest.raises(WeightsRefused, match=r"trained with activation relu, not gelu, pool_size 9, not 3"):
        build(pool_size=9, activation="relu")
    with pytest.raises(WeightsRefused, match=r"trained with token_mixer \['pooling', 'identity', "):
        build(token_mixer=("pooling", "identity", "pooling", "pooling"))


def test_only_poolformers_are_built_so() -> None:
    with pytest.raises(
        UsageError, match="unknown model 'metaformer:deit_s'; there are metaformer:poolformer_s12, "
    ):
        find_model("metaformer:deit_s")
