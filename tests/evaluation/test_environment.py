"""Plain fp32 wherever it runs, and a record of every version that can move a prediction."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version

import pytest
import torch
from PIL import features

from repro.evaluation.environment import describe_environment, set_numerics


@pytest.fixture
def torch_s_own_settings() -> Iterator[None]:
    """Torch as others may have left it, and as it was before, afterwards."""
    before = (
        torch.backends.cudnn.allow_tf32,
        torch.backends.cudnn.benchmark,
        torch.get_float32_matmul_precision(),
        torch.get_num_threads(),
    )
    torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("medium")
    yield
    torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark = before[:2]
    torch.set_float32_matmul_precision(before[2])
    torch.set_num_threads(before[3])


def test_numerics_are_plain_fp32_whatever_they_were(torch_s_own_settings: None) -> None:
    numerics = set_numerics("cpu", batch_size=3, threads=1)
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cudnn.benchmark
    assert torch.get_float32_matmul_precision() == "highest"
    assert not torch.backends.cuda.matmul.allow_tf32
    assert torch.get_num_threads() == 1
    assert (numerics.device, numerics.dtype, numerics.tf32) == ("cpu", "float32", False)
    assert (numerics.threads, numerics.batch_size) == (1, 3)


def test_every_version_that_can_move_a_prediction_is_kept() -> None:
    found = describe_environment()
    for package in ("numpy", "pillow", "timm", "torch", "torchvision"):
        assert found[package] == version(package)
    assert found["jpeg"].split()[1] in (features.version("libjpeg_turbo"), features.version("jpg"))
    assert found["python"]
    assert found["platform"]
