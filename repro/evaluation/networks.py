"""From verified tensors to a network that predicts; every tensor has its place, or all are refused."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import timm
from timm.models.metaformer import checkpoint_filter_fn
from torch import Tensor, nn

from repro.architecture import METAFORMERS, departures
from repro.evaluation.metaformer_names import from_timm, has_own_names, to_timm
from repro.evaluation.weights import LocatedWeights, load_tensors, stated_architecture
from repro.exceptions import WeightsRefused
from repro.metaformer import MetaFormer
from repro.specs import ModelSpec


def build_network(spec: ModelSpec, located: LocatedWeights) -> nn.Module:
    """The network of `spec` with the tensors of `located`, in evaluation mode, without gradients.

    Raises:
        WeightsRefused: a tensor is missing, left over or of another shape.
    """
    tensors = load_tensors(located)
    try:
        network = _choose(spec, located)(str(spec.timm_name), tensors)
    except (LookupError, RuntimeError, ValueError) as error:  # of torch, or of the model's own filter
        offenders = textwrap.shorten(str(error), 300, placeholder=" …")
        raise WeightsRefused(f"{located.path} does not fit {spec.timm_name}: {offenders}") from error
    return network.requires_grad_(False).eval()


def create_untrained(name: str) -> nn.Module:
    """The network of this name in evaluation mode: timm's, or this project's own where timm has none."""
    own = None if timm.is_model(name) else METAFORMERS.get(name)
    return (MetaFormer(own) if own else timm.create_model(name)).eval()


def _choose(spec: ModelSpec, located: LocatedWeights) -> Callable[[str, dict[str, Tensor]], nn.Module]:
    if spec.built_by == "metaformer":
        return partial(_by_our_names, stated_architecture(located))
    return _in_timms_order if located.record.origin == "package" else _by_timms_names


def _by_our_names(stated: Mapping[str, object], timm_name: str, tensors: dict[str, Tensor]) -> nn.Module:
    """The network of `repro.metaformer`; the file may have its own names, timm's or the authors'.

    Shapes do not tell a pool of 9 or another activation: what the file states of its network does.
    """
    architecture = METAFORMERS[timm_name.partition(".")[0]]
    if other := departures(architecture, stated):
        raise ValueError(f"it was trained with {', '.join(other)}")
    network = MetaFormer(architecture)
    if not has_own_names(tensors):
        timms = to_timm(network.state_dict())
        # Timm's filter, which asks a network for names and shapes only, knows what the authors call them.
        network_in_timm = SimpleNamespace(state_dict=lambda: timms)
        tensors = from_timm(checkpoint_filter_fn(tensors, network_in_timm))  # type: ignore[no-untyped-call]
    network.load_state_dict(tensors)
    return network


def _by_timms_names(timm_name: str, tensors: dict[str, Tensor]) -> nn.Module:
    """Lets timm load the tensors as it loads a download: through the model's own filter, strictly."""
    network = timm.create_model(timm_name, pretrained=True, pretrained_cfg_overlay={"state_dict": tensors})
    del cast(dict[str, Any], network.pretrained_cfg)["state_dict"]  # a copy, as large as the network
    return network


def _in_timms_order(timm_name: str, tensors: dict[str, Tensor]) -> nn.Module:
    """Gives timm's n-th name to the n-th tensor of a package, which has names of its own.

    The last part of the name (`weight`, `running_mean`, …) and the shape must agree.
    """
    network = timm.create_model(timm_name)
    names = list(network.state_dict())
    if [_kind(name) for name in names] != [_kind(name) for name in tensors]:
        raise ValueError(f"its {len(tensors)} tensors are not in the order of the network's {len(names)}")
    network.load_state_dict(dict(zip(names, tensors.values(), strict=True)))
    return network


def _kind(name: str) -> str:
    return name.rpartition(".")[2]
