"""Folded batch norms: the same answers but for last bits, in networks whose norms do much."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import timm
import torch
from timm.layers.std_conv import StdConv2d
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from torch import nn

from repro.evaluation.exact_fast import make_fast
from repro.evaluation.folding import NORMS, fold_norms
from repro.evaluation.manner import EXACT_FAST, PLAIN, manner_of
from repro.evaluation.plan import Request
from tests.evaluation.test_evaluate import rows_of, run
from tests.evaluation.test_exact_fast import photos
from tests.timm_cfg import cfg_of

__all__ = ["photos"]

MISLEADING = "timm:repro_misleading.rough"


class Misleading(nn.Module):
    """Its convolution feeds its norm, and something else besides: without the norm it answers otherwise."""

    def __init__(self, num_classes: int = 1000, **_: Any) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.conv = nn.Conv2d(3, 32, 4, 4)
        self.norm = nn.BatchNorm2d(32)
        self.fc = nn.Linear(32, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = self.conv(x)
        logits: torch.Tensor = self.fc((self.norm(features) + features).relu().mean(dim=(2, 3)))
        return logits


default_cfgs = generate_default_cfgs({"repro_misleading.rough": cfg_of("repro/misleading")})


@register_model
def repro_misleading(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    return build_model_with_cfg(Misleading, "repro_misleading", pretrained, **kwargs)


def unsettle(network: nn.Module) -> nn.Module:
    """Norms as a training leaves them: those of a new network do almost nothing."""
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.running_mean, module.bias):
                assert tensor is not None
                tensor.data.normal_(0, 0.3, generator=generator)
            for tensor in (module.running_var, module.weight):
                assert tensor is not None
                tensor.data.uniform_(0.5, 2.0, generator=generator)
    return network.eval()


def count_norms(network: nn.Module) -> int:
    return sum(isinstance(module, NORMS) for module in network.modules())


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("tf_efficientnet_lite0", 0),
        ("test_resnet", 1),  # the stem ends in a convolution of another module
        ("repvgg_a0", 17),  # the norm of a branch without a convolution
    ],
)
def test_a_network_without_its_norms_answers_as_with_them(name: str, left: int) -> None:
    network = unsettle(timm.create_model(name))
    images = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(1))
    n = count_norms(network)
    with torch.inference_mode():
        expected = network(images)
        assert fold_norms(network) == n - left > 0
        assert count_norms(network) == left
        torch.testing.assert_close(network(images), expected, rtol=1e-4, atol=1e-4 * expected.std().item())


def test_only_a_norm_right_behind_a_plain_convolution_is_folded() -> None:
    def of(*modules: nn.Module) -> nn.Module:
        return nn.Sequential(*modules).eval()

    conv, norm = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)
    assert fold_norms(of(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))) == 1
    assert fold_norms(of(norm, nn.Conv2d(8, 8, 3))) == 0
    assert fold_norms(of(conv, nn.ReLU(), norm)) == 0
    assert fold_norms(of(conv, nn.BatchNorm2d(4))) == 0
    assert fold_norms(of(conv, nn.GroupNorm(1, 8))) == 0
    assert fold_norms(of(conv, nn.BatchNorm2d(8, track_running_stats=False))) == 0
    assert fold_norms(of(StdConv2d(3, 8, 3), norm)) == 0, "it would standardise the folded weights away"
    assert fold_norms(of(conv, norm).train()) == 0, "a norm in training goes by its batch"


def test_a_norm_folded_wrongly_costs_time_and_no_answer(photos: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = unsettle(Misleading())
    path = tmp_path / "misleading.safetensors"
    safetensors.torch.save_file(network.state_dict(), path)
    request = Request(
        models=[MISLEADING],
        runs=tmp_path / "runs",
        data=photos,
        weights={MISLEADING: path},
        device="cpu",
        threads=1,
        workers=0,
        canary=False,
    )
    exact = {row["image_id"]: row for row in rows_of(request, run(request))}
    record = run(replace(request, precision="exact-fast"))
    fast = rows_of(request, record)
    for row in fast:
        assert row["top5"][0] == exact[row["image_id"]]["top5"][0]
        assert (row["rank"] < 5) == (exact[row["image_id"]]["rank"] < 5)
    low = record.low_precision
    assert low is not None
    assert low.n_undecided > 200, "of 244 that calibrated nothing"


def test_folded_norms_are_computed_in_fp32_where_bf16_is_no_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    def told(amx: bool) -> tuple[torch.dtype, torch.dtype, dict[str, str | int]]:
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": amx}, raising=False)
        convolutions = make_fast(timm.create_model("test_resnet").eval(), "cpu")
        attention = make_fast(timm.create_model("test_vit").eval(), "cpu")
        return convolutions.dtype, attention.dtype, EXACT_FAST.identity("cpu")

    *with_amx, known_by = told(True)
    *without, known_by_there = told(False)
    assert with_amx == [torch.bfloat16, torch.bfloat16]
    assert without == [torch.float32, torch.bfloat16]
    assert known_by != known_by_there, "their rows are not mixed in one run"


def test_low_precision_is_known_by_the_units_that_multiply_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """With others a CPU rounds otherwise; plain fp32 does not depend on them."""

    def known(*units: str) -> list[dict[str, str | int]]:
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: dict.fromkeys(units, True), raising=False)
        return [manner.identity("cpu") for manner in (manner_of("bf16"), EXACT_FAST, PLAIN)]

    bf16, exact_fast, plain = zip(
        known("avx512_bf16"), known(), known("avx512_bf16", "amx_bf16"), strict=True
    )
    assert len({str(identity) for identity in bf16}) == 3
    assert len({str(identity) for identity in exact_fast}) == 3
    assert plain == ({}, {}, {})
    assert "units" not in manner_of("bf16").identity("cuda")
