"""A compiled training learns what the plain one does, and a stop changes nothing of it either."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch._dynamo.utils import counters
from torch._inductor import config
from torch._inductor.utils import fresh_cache
from typer.testing import CliRunner

from repro.commands import app
from repro.datasets.training_images import open_training_images
from repro.training.recipe_files import find_recipe
from repro.training.train import Training, train
from tests.training.toys import Quiet, paint_classes, write_recipe

SETTINGS = [
    "schedule.epochs=2",
    "network.drop_path=0",  # a compiled network draws other random numbers
    # The rest compiles in seconds; the code for pooling takes a minute under one thread.
    "network.token_mixer=identity",
    "network.channel_mlp=false",
    "network.norm=none",
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return paint_classes(tmp_path_factory.mktemp("colours"))


@pytest.mark.skipif(not shutil.which("g++"), reason="compiling needs a C++ compiler")
def test_a_compiled_training_is_the_plain_one_but_for_last_bits(data: Path, tmp_path: Path) -> None:
    recipe = find_recipe(str(write_recipe(data)), SETTINGS)
    images, held_out = open_training_images(data)
    counters.clear()
    plain = train(Training(recipe, images, held_out), tmp_path / "plain", Quiet())
    assert not counters["stats"]["unique_graphs"]
    compiling = Training(recipe, images, held_out, compiled=True)
    compiled = train(compiling, tmp_path / "compiled", Quiet())
    assert counters["stats"]["unique_graphs"] > 1  # the trial's, and the network's
    assert compiled["compiled"]
    assert [row["loss"] for row in compiled["log"]] == pytest.approx(
        [row["loss"] for row in plain["log"]], rel=1e-3
    )
    with pytest.raises(KeyboardInterrupt):
        train(compiling, tmp_path / "stopped", Quiet(7))
    train(compiling, tmp_path / "stopped", Quiet())
    whole, stopped = (load_file(tmp_path / name / "model.safetensors") for name in ("compiled", "stopped"))
    assert all(torch.equal(whole[name], stopped[name]) for name in whole)


def test_where_torch_cannot_compile_it_says_so(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config.cpp, "cxx", (str(tmp_path / "no-compiler"),))
    torch.compiler.reset()
    command = ["train", str(write_recipe(data)), "--data", str(data), "--device", "cpu", "--compile"]
    with fresh_cache():
        done = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert "error: torch cannot compile the network here (" in done.stderr
    assert "try:   the same without --compile" in done.stderr
