"""All that is random is drawn from what it is for, so that nothing has to be carried over a stop.

The weights have a seed of their own, each epoch's order, each image in an epoch, each step. A training that
goes on after a kill draws what it would have drawn, with any number of loader processes.
"""

from __future__ import annotations

import random
from hashlib import blake2b

import numpy as np
import torch


def seed_all(*purpose: int | str) -> None:
    """Seeds torch, numpy and Python for one purpose: `seed_all(seed, "image", epoch, index)`."""
    seed = derive(*purpose)
    random.seed(seed)
    np.random.seed(seed % 2**32)  # what timm's augmentations and Mixup draw from
    # Not torch.manual_seed, which where CUDA is not in use yet remembers every call for later.
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.manual_seed(seed)
    if torch.backends.mps.is_available():
        torch.mps.manual_seed(seed)


def derive(*purpose: int | str) -> int:
    """A seed below 2⁶³ for one purpose; others' are unrelated."""
    text = "/".join(map(str, purpose))
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest()) >> 1
