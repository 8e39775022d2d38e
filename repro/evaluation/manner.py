"""The manner in which a network is run: plainly in fp32, or otherwise where that was asked for."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from repro.evaluation.exact_fast import low_dtype, low_units
from repro.evaluation.low_precision import RULE

LOW_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, slots=True)
class Manner:
    """`precision`: `fp32`, `exact-fast`, or `bf16`, `fp16` throughout.

    A memory format other than `contiguous` moves last bits.
    """

    precision: str = "fp32"
    memory_format: str = "contiguous"

    @property
    def exact_fast(self) -> bool:
        return self.precision == "exact-fast"

    @property
    def dtype(self) -> torch.dtype | None:
        """What the network computes in throughout, where that is not fp32."""
        return LOW_DTYPES.get(self.precision)

    @property
    def dtype_name(self) -> str:
        """As a record says it; of exact-fast, that of its decisions."""
        return str(self.dtype or torch.float32).removeprefix("torch.")

    @property
    def stored(self) -> str:
        """What all values are of, as the column `precision` says it; exact-fast says it for each."""
        return self.precision if self.dtype else "fp32"

    def identity(self, device: str) -> dict[str, str | int]:
        """What of this decides a run's bytes; empty for the plain manner, so that its runs stay known."""
        found: dict[str, str | int] = {}
        if self.memory_format != "contiguous":
            found["memory_format"] = self.memory_format
        if self.exact_fast:
            found |= {"precision": self.precision, "rule": RULE, "dtype": str(low_dtype(device))}
        elif self.dtype:
            found["precision"] = self.precision
        if device == "cpu" and "precision" in found:  # they decide what folded norms are computed in, too
            found["units"] = " ".join(low_units())
        return found


def lay_out(network: torch.nn.Module, memory_format: str) -> torch.nn.Module:
    """The same network, its weights in `memory_format`; its convolutions then work in it."""
    return network if memory_format == "contiguous" else network.to(memory_format=torch.channels_last)


def manner_of(precision: str) -> Manner:
    """As it was asked for, where no trial is to choose; layer by layer channels last gains most when low."""
    return PLAIN if precision == "fp32" else Manner(precision, "channels_last")


PLAIN = Manner()

EXACT_FAST = Manner("exact-fast", "channels_last")
"""Channels last: convolutions gain from it at either precision, and nothing loses."""
