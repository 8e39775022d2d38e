"""The manner in which a network is run: plainly in fp32, or otherwise where that was asked for."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from repro.evaluation.exact_fast import low_dtype
from repro.evaluation.low_precision import RULE


@dataclass(frozen=True, slots=True)
class Manner:
    """`precision` is `fp32` or `exact-fast`; a memory format other than `contiguous` moves last bits."""

    precision: str = "fp32"
    memory_format: str = "contiguous"

    @property
    def exact_fast(self) -> bool:
        return self.precision == "exact-fast"

    def identity(self, device: str) -> dict[str, str | int]:
        """What of this decides a run's bytes; empty for the plain manner, so that its runs stay known."""
        found: dict[str, str | int] = {}
        if self.memory_format != "contiguous":
            found["memory_format"] = self.memory_format
        if self.exact_fast:
            found |= {"precision": self.precision, "dtype": str(low_dtype(device)), "rule": RULE}
        return found


def lay_out(network: torch.nn.Module, memory_format: str) -> torch.nn.Module:
    """The same network, its weights in `memory_format`; its convolutions then work in it."""
    return network if memory_format == "contiguous" else network.to(memory_format=torch.channels_last)


PLAIN = Manner()

EXACT_FAST = Manner("exact-fast", "channels_last")
"""Channels last: convolutions gain from it at either precision, and nothing loses."""
