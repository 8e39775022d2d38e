"""Parameters and MACs of a network, counted without its weights.

Two counters, because no single one is right for everybody:

- `fvcore`, the paper's convention (its repository ships an fvcore script): matrix products,
  convolutions, and five operations an element for each normalisation. fvcore has no rule for
  fused attention, which would silently leave out 8 % of DeiT-S; the rule is supplied here.
- `torch` (FlopCounterMode / 2): matrix products, convolutions and attention, nothing else.

Neither counts pooling, so PoolFormer's token mixer costs 0 in both.
"""

from __future__ import annotations

import json
import math
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import timm
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from repro.exceptions import UsageError
from repro.results.atomic import write_atomically
from repro.results.record import Complexity, MacsCount, complexity_from
from repro.specs import ModelSpec

_MOVES_ONLY = {"cat", "clone", "_unsafe_view", "empty", "copy_", "contiguous"}
"""Operators that compute nothing, beside those which torch itself calls views."""


def count_complexity(spec: ModelSpec, folder: Path) -> Complexity:
    """The counts of `spec` at its `authors` size; counted once, then kept in `folder`/complexity.

    Raises:
        UsageError: timm does not have this network.
    """
    if spec.timm_name is None or not spec.protocols:
        raise UsageError(
            f"{spec.name} cannot be counted: {spec.unavailable or 'its input size is not known'}"
        )
    size_px = spec.protocols["authors"].size_px
    kept = folder / "complexity" / f"{spec.timm_name}-{size_px}.json"
    if known := _read(kept):
        return known
    counted = count_network(spec.timm_name, size_px)
    text = json.dumps(asdict(counted), indent=1, sort_keys=True) + "\n"
    write_atomically(kept, text.encode())
    return counted


def count_network(timm_name: str, size_px: int) -> Complexity:
    """Counts timm's network for one image of `size_px` pixels a side; by fvcore where it is installed."""
    with torch.device("meta"):
        network = timm.create_model(timm_name).eval()
    params = sum(p.numel() for p in network.parameters())
    macs = {"torch": _count_by_torch(network, size_px)}
    if find_spec("fvcore"):
        macs["fvcore"] = _count_by_fvcore(network, size_px)
    return Complexity(timm_name, size_px, params, macs)


def _read(path: Path) -> Complexity | None:
    """The kept counts, unless a counter has since been installed or updated."""
    try:
        known = complexity_from(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    counters = ["torch", "fvcore"] if find_spec("fvcore") else ["torch"]
    return (
        known if {n: c.version for n, c in known.macs.items()} == {n: _version(n) for n in counters} else None
    )


def _version(counter: str) -> str:
    """The version of what can move a count: the counter, and timm, which defines the network."""
    return f"{counter} {version(counter)}, timm {version('timm')}"


class _SeenOperators(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes every operator that runs, views and moves aside."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counts: Counter[Any] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        operator = func._overloadpacket
        if not func.is_view and operator.__name__ not in _MOVES_ONLY:
            self.counts[operator] += 1
        return func(*args, **(kwargs or {}))


def _count_by_torch(network: torch.nn.Module, size_px: int) -> MacsCount:
    """Counts on the meta device, where nothing is computed."""
    image = torch.empty(1, 3, size_px, size_px, device="meta")
    with FlopCounterMode(display=False) as counter, _SeenOperators() as seen, torch.no_grad():
        network(image)
    skipped = {str(op): n for op, n in seen.counts.items() if op not in flop_registry}
    return MacsCount(
        macs=counter.get_total_flops() // 2,
        counter="torch FlopCounterMode / 2",
        version=_version("torch"),
        skipped=dict(sorted(skipped.items())),
    )


def _count_by_fvcore(network: torch.nn.Module, size_px: int) -> MacsCount:
    """Counts on the CPU, since fvcore cannot trace meta tensors; the weights stay uninitialised memory."""
    from fvcore.nn import FlopCountAnalysis

    with warnings.catch_warnings():
        # fvcore traces, which warns of every Python branch on a shape.
        warnings.simplefilter("ignore")
        analysis = FlopCountAnalysis(network.to_empty(device="cpu"), torch.zeros(1, 3, size_px, size_px))
        analysis.set_op_handle("aten::scaled_dot_product_attention", _attention_macs)
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        macs = int(analysis.total())
    return MacsCount(
        macs=macs,
        counter="fvcore, with a rule for fused attention",
        version=_version("fvcore"),
        skipped=dict(sorted(analysis.unsupported_ops().items())),
    )


def _attention_macs(inputs: Sequence[Any], _outputs: Sequence[Any]) -> int:
    """MACs of softmax(q kᵀ) v for q `(…, n, d)`, k `(…, m, d)`, v `(…, m, e)`: n·m·(d + e) a head."""
    query, key, value = (tensor.type().sizes() for tensor in inputs[:3])
    return int(math.prod(query[:-1]) * key[-2] * (query[-1] + value[-1]))
