"""What does not fit in memory, of a GPU or of the machine, is told in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch

from repro.exceptions import UsageError


@contextmanager
def fitting(what: str, hint: str) -> Iterator[None]:
    """For what needs memory: a `what`, as "a batch of 512 images", that may be too large.

    Raises:
        UsageError: it does not fit.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise UsageError(f"{what} does not fit in memory", hint=hint) from error


def batch_fits(batch_size: int, beside: str = "") -> AbstractContextManager[None]:
    """For what needs memory for a whole batch.

    Raises:
        UsageError: it does not fit; half of it is proposed.
    """
    what = f"a batch of {batch_size} images{beside}"
    return fitting(what, f"--batch-size {max(batch_size // 2, 1)}")


_WORDS = ("can't allocate memory", "out of memory", "ALLOC_FAILED")
"""Of torch on a CPU; of Metal and of CUDA's driver; of CUDA's libraries. None has a type of its own."""


def is_out_of_memory(error: RuntimeError | MemoryError) -> bool:
    """Whether it says that memory is short, by its type or in words."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(
        words in str(error) for words in _WORDS
    )
