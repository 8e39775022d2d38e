"""Plain fp32 wherever it runs, and a record of every version that can move a prediction."""

from __future__ import annotations

import platform
import resource
import sys
from collections.abc import Iterator
from importlib.metadata import version

import pytest
import torch
from PIL import features

from repro.evaluation import environment
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
    assert platform.machine() in found["platform"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system's release has a part in it")
def test_another_kernel_is_no_other_platform() -> None:
    """A run goes on after an update of the kernel, and machines of one cluster may differ in it."""
    assert platform.release() not in describe_environment()["platform"]
    assert "".join(platform.libc_ver()) in describe_environment()["platform"].replace("-", "")


@pytest.mark.parametrize(("local_rank", "slurm", "place"), [(None, None, 0), (None, "3", 3), ("1", "3", 1)])
def test_each_process_of_a_machine_has_a_place_of_its_own(
    local_rank: str | None, slurm: str | None, place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("LOCAL_RANK", local_rank), ("SLURM_LOCALID", slurm)):
        monkeypatch.delenv(name, raising=False)
        if value:
            monkeypatch.setenv(name, value)
    assert environment._place_on_machine() == place


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library keeps memory as it likes")
def test_on_a_cpu_what_was_freed_is_used_again() -> None:
    """The kernel clears each page that it gives: of four tensors of 64 MiB, 65,536 of them."""

    def faults_of_four() -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(4):
            torch.ones(2**24)
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    set_numerics("cpu", batch_size=None, threads=None)
    faults_of_four()
    assert faults_of_four() < 2000


def test_processes_of_torchrun_share_the_cores_to_load_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "count_cores", lambda: 32)
    assert environment.default_workers("cuda") == 16
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert environment.default_workers("cuda") == 7
    assert environment.default_workers("cpu") == 1
