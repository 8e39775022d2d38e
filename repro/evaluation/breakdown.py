"""Parameters and MACs of a network by part and by operator, counted without its weights.

The counters, and what they leave out, are those of `complexity`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, flop_registry
from torch.utils.module_tracker import ModuleTracker

from repro.evaluation.complexity import analysed_by_fvcore, computes
from repro.evaluation.networks import create_untrained
from repro.exceptions import StorageError, UsageError
from repro.results.breakdowns import Breakdown, OperatorCount, keep_breakdown, kept_breakdown
from repro.results.complexities import versions_of_counters
from repro.specs import ModelSpec

_OPENED = ("stages", "blocks", "layers")
"""timm's names for what holds the repeated parts of a network: each of these is a part of its own."""


def count_breakdown(spec: ModelSpec, folder: Path) -> Breakdown:
    """The counts of `spec` at its `authors` size; counted once, and kept in `folder`/complexity if it can be.

    Raises:
        UsageError: there is no such network.
    """
    if known := kept_breakdown(spec, folder):
        return known
    if spec.timm_name is None or not spec.protocols:
        raise UsageError(
            f"{spec.name} cannot be counted: {spec.unavailable or 'its input size is not known'}"
        )
    counted = break_down(spec.timm_name, spec.protocols["authors"].size_px)
    with suppress(StorageError):  # a folder that is only to be read is read all the same
        keep_breakdown(counted, folder)
    return counted


def break_down(timm_name: str, size_px: int) -> Breakdown:
    """Counts the network of this name for an image of `size_px` a side; by fvcore where it is installed."""
    with torch.device("meta"):
        network = create_untrained(timm_name)
    return break_down_network(network, timm_name, size_px)


def break_down_network(network: torch.nn.Module, timm_name: str, size_px: int) -> Breakdown:
    """The same for a network on the meta device; fvcore leaves it on the CPU, its weights undefined."""
    parts = list(_parts(network))
    params = dict.fromkeys(parts, 0)
    outside: list[str] = []
    learned = {name: p.numel() for name, p in network.named_parameters() if p.requires_grad}
    for name, n in learned.items():
        part = _part_of(name, parts)
        if part is None:
            outside.append(name)
        else:
            params[part] += n
    # Where nothing lies outside the parts, an operator may still run there.
    rest = ", ".join(outside) or "outside its parts"
    params[rest] = sum(learned[name] for name in outside)
    operators = {"torch": tuple(_count_by_torch(network, size_px, parts, rest))}
    if find_spec("fvcore"):
        operators["fvcore"] = tuple(_count_by_fvcore(network, size_px, parts, rest))
    return Breakdown(timm_name, size_px, params, operators, versions_of_counters())


def _parts(network: torch.nn.Module) -> Iterator[str]:
    """The names of the children, and those of the children's where a child holds repeated parts."""
    for name, child in network.named_children():
        if name in _OPENED:
            yield from (f"{name}.{inner}" for inner, _ in child.named_children())
        else:
            yield name


def _part_of(name: str, parts: Sequence[str]) -> str | None:
    return next((part for part in parts if f"{name}.".startswith(f"{part}.")), None)


class _PartOperators(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes by module and operator how often it ran and what `counter` counted meanwhile."""

    def __init__(self, counter: FlopCounterMode, tracker: ModuleTracker) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counter = counter
        self.tracker = tracker
        self.runs: Counter[tuple[str, Any]] = Counter()
        self.flops: Counter[tuple[str, Any]] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        before = self.counter.get_total_flops()
        result = func(*args, **(kwargs or {}))
        flops = self.counter.get_total_flops() - before
        if flops or computes(func):
            module = max(self.tracker.parents, key=lambda name: name.count("."))  # the innermost
            self.runs[module, func._overloadpacket] += 1
            self.flops[module, func._overloadpacket] += flops
        return result


def _count_by_torch(
    network: torch.nn.Module, size_px: int, parts: Sequence[str], rest: str
) -> Iterator[OperatorCount]:
    """Counts on the meta device, where nothing is computed."""
    image = torch.empty(1, 3, size_px, size_px, device="meta")
    with (
        ModuleTracker() as tracker,
        FlopCounterMode(display=False) as counter,
        _PartOperators(counter, tracker) as seen,
        torch.no_grad(),
    ):
        network(image)
    runs: Counter[tuple[str, Any]] = Counter()
    flops: Counter[tuple[str, Any]] = Counter()
    for (module, operator), n in seen.runs.items():
        part = _part_of(module.partition(".")[2], parts) or rest  # the network's class comes first
        runs[part, operator] += n
        flops[part, operator] += seen.flops[module, operator]
    for (part, operator), n in runs.items():
        has_rule = operator in flop_registry
        yield OperatorCount(part, str(operator), flops[part, operator] // 2 if has_rule else None, n)


def _count_by_fvcore(
    network: torch.nn.Module, size_px: int, parts: Sequence[str], rest: str
) -> Iterator[OperatorCount]:
    with analysed_by_fvcore(network, size_px) as analysis:
        macs = analysis.by_module_and_operator()
        skipped = {part: analysis.unsupported_ops(part) for part in ("", *parts)}
    yield from _fvcore_counts(_with_rest(macs, parts, rest), _with_rest(skipped, parts, rest))


def _with_rest(
    counts: Mapping[str, Mapping[str, Any]], parts: Sequence[str], rest: str
) -> dict[str, dict[str, int]]:
    """The counts by part; what the whole network (named "") has beyond all of them is that of `rest`."""
    left = Counter(counts[""])
    for part in parts:
        left.subtract(counts[part])
    found = {part: counts[part] for part in parts} | {rest: left}
    return {part: {operator: int(n) for operator, n in of.items() if n} for part, of in found.items()}


def _fvcore_counts(
    macs: Mapping[str, Mapping[str, int]], skipped: Mapping[str, Mapping[str, int]]
) -> Iterator[OperatorCount]:
    for part in macs:
        yield from (OperatorCount(part, operator, n, None) for operator, n in macs[part].items())
        yield from (OperatorCount(part, operator, None, n) for operator, n in skipped[part].items())
