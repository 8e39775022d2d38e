"""What does not fit in memory is one line, and every other error is left as it is."""

from __future__ import annotations

import pytest
import torch

from repro.evaluation.memory import batch_fits
from repro.exceptions import UsageError

AS_TORCH_SAYS_IT = "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory"
"""Not asked for in earnest: glibc gives this process's large blocks another way once one was refused."""


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(AS_TORCH_SAYS_IT),
        RuntimeError("MPS backend out of memory (MPS allocated: 8.88 GB, other allocations: 1.37 GB)"),
        torch.AcceleratorError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        torch.OutOfMemoryError(),
        MemoryError(),
    ],
)
def test_a_batch_that_does_not_fit_proposes_half_of_it(error: Exception) -> None:
    words = "a batch of 512 images with deit_s does not fit in memory"
    with pytest.raises(UsageError, match=words) as told, batch_fits(512, " with deit_s"):
        raise error
    assert told.value.hint == "--batch-size 256"


def test_other_errors_are_not_taken_for_it() -> None:
    with pytest.raises(RuntimeError, match="must match"), batch_fits(1):
        torch.ones(2) + torch.ones(3)
