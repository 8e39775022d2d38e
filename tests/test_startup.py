"""What must answer at once imports nothing heavy; `--help` has an example for every verb."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from repro.commands import app

HEAVY = (
    "torch",
    "torchvision",
    "timm",
    "pandas",
    "scipy",
    "huggingface_hub",
    "fvcore",
    "PIL",
    "pyarrow",
    "matplotlib",
    "plotly",
    "streamlit",
)
VERBS = [command.name for command in app.registered_commands]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["models"],
        ["--version"],
        ["eval", "--help"],
        ["claims", "--runs", "nowhere"],
        ["app", "--help"],
        ["study", "ablation", "--help"],
        ["train", "--help"],
    ],
    ids=" ".join,
)
def test_nothing_heavy_is_imported(arguments: list[str]) -> None:
    child = f"""
import sys
from repro.commands import app
try:
    app({arguments!r})
except SystemExit as end:
    assert not end.code, end.code
print("HEAVY", sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)
"""
    answer = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True, check=True)
    assert "HEAVY []" in answer.stderr
    assert answer.stdout


@pytest.mark.parametrize("model", ["deit_s", "timm:resnet18.a1_in1k"])
def test_an_evaluation_that_cannot_work_fails_before_torch(model: str, tmp_path: Path) -> None:
    """Weights that are missing while offline, wrong names, wrong paths: all is settled by the plan."""
    child = f"""
import os, sys
os.environ |= {{"HF_HUB_OFFLINE": "1", "HF_HOME": {str(tmp_path)!r}}}
from repro.commands import app
try:
    app(["eval", "--models", {model!r}])
except SystemExit as end:
    assert end.code == 69, end.code
print("HEAVY", sorted({{"torch", "timm"}} & set(sys.modules)), file=sys.stderr)
"""
    answer = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True, check=True)
    assert "HEAVY []" in answer.stderr
    assert f"weights of {model} are not in the cache" in answer.stderr
    assert f"repro fetch {model}" in answer.stderr


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(verb: str) -> None:
    result = CliRunner().invoke(app, [verb, "--help"])
    assert result.exit_code == 0
    assert re.search(rf"Example: repro {verb}\b", " ".join(result.stdout.split())), result.stdout


@pytest.mark.parametrize("question", ["shape-size", "ablation", "size-in-context"])
def test_every_study_has_help_with_an_example(question: str) -> None:
    result = CliRunner().invoke(app, ["study", question, "--help"])
    assert result.exit_code == 0
    assert f"Example: repro study {question}" in " ".join(result.stdout.split())


def test_the_rooms_below_the_evaluation_know_no_torch() -> None:
    child = """
import sys
import repro.analysis.compare, repro.analysis.metrics, repro.catalogue.models, repro.datasets.recognise
import repro.evaluation.plan, repro.reporting.comparison, repro.reporting.runs, repro.results.store
assert not {"torch", "timm", "pandas"} & set(sys.modules), sorted(sys.modules)
"""
    subprocess.run([sys.executable, "-c", child], check=True)
