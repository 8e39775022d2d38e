"""Parameters and MACs of a network, counted without its weights.

Two counters, because no single one is right for everybody:

- `fvcore`, the paper's convention (its repository ships an fvcore script): matrix products,
  convolutions, and five operations an element for each normalisation. fvcore has no rule for
  fused attention, which would silently leave out 8 % of DeiT-S; the rule is supplied here.
- `torch` (FlopCounterMode / 2): matrix products, convolutions and attention, nothing else.

Neither counts pooling, so PoolFormer's token mixer costs 0 in both.
"""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from repro.evaluation.networks import create_untrained
from repro.exceptions import StorageError, UsageError
from repro.results.complexities import keep_complexity, kept_complexity, version_of_counter
from repro.results.record import Complexity, MacsCount
from repro.specs import ModelSpec

_MOVES_ONLY = {"cat", "clone", "_unsafe_view", "empty", "copy_", "contiguous"}
"""Operators that compute nothing, beside those which torch itself calls views."""


def count_complexity(spec: ModelSpec, folder: Path) -> Complexity:
    """The counts of `spec` at its `authors` size; counted once, and kept in `folder`/complexity if it can be.

    Raises:
        UsageError: there is no such network.
    """
    if known := kept_complexity(spec, folder):
        return known
    if spec.timm_name is None or not spec.protocols:
        raise UsageError(
            f"{spec.name} cannot be counted: {spec.unavailable or 'its input size is not known'}"
        )
    counted = count_network(spec.timm_name, spec.protocols["authors"].size_px)
    with suppress(StorageError):  # a folder that is only to be read is read all the same
        keep_complexity(counted, folder)
    return counted


def count_network(timm_name: str, size_px: int) -> Complexity:
    """Counts the network of this name for an image of `size_px` a side; by fvcore where it is installed."""
    with torch.device("meta"):
        network = create_untrained(timm_name)
    params = sum(p.numel() for p in network.parameters() if p.requires_grad)
    macs = {"torch": _count_by_torch(network, size_px)}
    if find_spec("fvcore"):
        macs["fvcore"] = _count_by_fvcore(network, size_px)
    return Complexity(timm_name, size_px, params, macs)


class _SeenOperators(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes every operator that runs, views and moves aside."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counts: Counter[Any] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if computes(func):
            self.counts[func._overloadpacket] += 1
        return func(*args, **(kwargs or {}))


def computes(func: Any) -> bool:
    """Whether an operator of torch does more than view and move."""
    return not func.is_view and func._overloadpacket.__name__ not in _MOVES_ONLY


def _count_by_torch(network: torch.nn.Module, size_px: int) -> MacsCount:
    """Counts on the meta device, where nothing is computed."""
    image = torch.empty(1, 3, size_px, size_px, device="meta")
    with FlopCounterMode(display=False) as counter, _SeenOperators() as seen, torch.no_grad():
        network(image)
    skipped = {str(op): n for op, n in seen.counts.items() if op not in flop_registry}
    return MacsCount(
        macs=counter.get_total_flops() // 2,
        counter="torch FlopCounterMode / 2",
        version=version_of_counter("torch"),
        skipped=dict(sorted(skipped.items())),
    )


def _count_by_fvcore(network: torch.nn.Module, size_px: int) -> MacsCount:
    with analysed_by_fvcore(network, size_px) as analysis:
        macs = int(analysis.total())
        skipped = analysis.unsupported_ops()
    return MacsCount(
        macs=macs,
        counter="fvcore, with a rule for fused attention",
        version=version_of_counter("fvcore"),
        skipped=dict(sorted(skipped.items())),
    )


@contextmanager
def analysed_by_fvcore(network: torch.nn.Module, size_px: int) -> Iterator[Any]:
    """On the CPU, since fvcore cannot trace meta tensors; the weights stay uninitialised memory.

    Not the buffers: some are indices, as Swin's of relative positions, and 0 is one of any table.
    """
    from fvcore.nn import FlopCountAnalysis

    network.to_empty(device="cpu")
    for buffer in network.buffers():
        buffer.zero_()
    with warnings.catch_warnings():
        # fvcore traces, which warns of every Python branch on a shape.
        warnings.simplefilter("ignore")
        analysis = FlopCountAnalysis(network, torch.zeros(1, 3, size_px, size_px))
        analysis.set_op_handle("aten::scaled_dot_product_attention", _attention_macs)
        yield analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)


def _attention_macs(inputs: Sequence[Any], _outputs: Sequence[Any]) -> int:
    """MACs of softmax(q kᵀ) v for q `(…, n, d)`, k `(…, m, d)`, v `(…, m, e)`: n·m·(d + e) a head."""
    query, key, value = (tensor.type().sizes() for tensor in inputs[:3])
    return int(math.prod(query[:-1]) * key[-2] * (query[-1] + value[-1]))
