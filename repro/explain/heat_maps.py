"""Heat maps of a batch: one forward pass, then for each target a way back as far as one layer."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytorch_grad_cam
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from repro.exceptions import UsageError
from repro.explain.methods import find_method
from repro.results.heat_maps import ALL_ZERO, NOT_FINITE, OK

Floats = NDArray[np.float32]

Target = Callable[[Tensor], Tensor]
"""From logits `(b, 1000)` to the number `(b,)` whose causes are asked for."""

SAME = 1e-4
"""Two maps are one up to scale if no cell differs by more than this share of the largest."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """What one pass gave: logits `(b, 1000)` on the CPU; for each target a map `(b, side, side)`.

    The maps still have their sign: what speaks against the target is negative.
    """

    logits: Tensor
    signed: tuple[Floats, ...]


class HeatMapper:
    """A method, and the layer of a network that its maps are of (a path, as `resolve_layer` takes it).

    Nothing but the layer's output gets a gradient: the way back ends there, and the map is the same bit
    for bit as if every parameter had one. Between two calls the network has no hooks.
    """

    def __init__(self, network: nn.Module, layer: str, method: str = "gradcam") -> None:
        self._network = network.requires_grad_(False).eval()
        self._module = resolve_layer(network, layer)
        self._method = getattr(pytorch_grad_cam, find_method(method))

    def __call__(self, inputs: Tensor, targets: Sequence[Target]) -> Mapped:
        """The maps of normalised images `(b, 3, h, w)`.

        Raises:
            UsageError: the layer's output has no place for everything, or no target depends on it.
        """
        leaf = self._module.register_forward_hook(_begin_gradients)  # before the hooks of the library
        cam = self._method(self._network, [self._module], self._to_grid)
        try:
            with torch.enable_grad():
                logits = cam.activations_and_grads(inputs)
                signed = tuple(self._map(cam, inputs, target(logits).sum()) for target in targets)
        finally:
            cam.activations_and_grads.release()
            leaf.remove()
        return Mapped(logits.detach().float().cpu(), signed)

    def _map(self, cam: Any, inputs: Tensor, target: Tensor) -> Floats:
        """The map before it is cut off at 0 and scaled."""
        if not target.requires_grad:
            raise UsageError("the logits do not depend on this layer; name another with --layer")
        hooks = cam.activations_and_grads
        hooks.gradients = []
        target.backward(retain_graph=True)  # type: ignore[no-untyped-call]
        activations = hooks.activations[0].numpy()
        gradients = hooks.gradients[0].numpy() if hooks.gradients else np.zeros_like(activations)
        signed: Floats = cam.get_cam_image(inputs, self._module, None, activations, gradients, False)
        return signed

    def _to_grid(self, values: Tensor) -> Tensor:
        """`(b, c, h, w)` from what the layer gives: tokens `(b, n, c)`, `(b, h, w, c)`, or that already."""
        if values.ndim == 4:
            is_last = getattr(self._network, "output_fmt", None) == "NHWC"
            return values.permute(0, 3, 1, 2) if is_last else values
        if values.ndim == 3:
            patches = values[:, int(getattr(self._network, "num_prefix_tokens", 0)) :]
            side = math.isqrt(patches.shape[1])
            if side * side == patches.shape[1] > 1:
                return patches.transpose(1, 2).reshape(len(patches), -1, side, side)
        raise UsageError(
            f"a layer with an output of {' x '.join(map(str, values.shape[1:]))} has no place for everything",
            hint="--layer NAME, of a layer before it",
        )


def _begin_gradients(_module: nn.Module, _inputs: Any, output: Any) -> Tensor:
    """Puts in the output's place a tensor of the same values where the way back ends."""
    if not isinstance(output, Tensor):
        raise UsageError(f"a layer that gives a {type(output).__name__}, not one tensor, has no heat map")
    return output.detach().requires_grad_()


def resolve_layer(network: nn.Module, path: str) -> nn.Module:
    """The module at `path`; a number counts from the end where it is negative (`stages.-1.blocks`).

    Raises:
        UsageError: there is none.
    """
    module = network
    for name in path.split("."):
        children = dict(module.named_children())
        names = list(children)
        if name.startswith("-") and name[1:].isdecimal() and 0 < int(name[1:]) <= len(names):
            name = names[int(name)]  # noqa: PLW2901
        if name not in children:
            near = difflib.get_close_matches(name, names, n=1) or names[-4:]
            raise UsageError(f"no layer {path!r}: at {name!r} there is {', '.join(near) or 'nothing'}")
        module = children[name]
    return module


def layer_name(network: nn.Module, path: str) -> str:
    """The one name of the layer at `path`: `stages.-1` is `stages.3`."""
    module = resolve_layer(network, path)
    return next(str(name) for name, candidate in network.named_modules() if candidate is module)


def logit(classes: Tensor) -> Target:
    """Asks for the logit of a class for each image; `classes` is `(b,)`."""
    return lambda logits: logits.gather(1, classes[:, None].to(logits.device))[:, 0]


def contrast(classes: Tensor, against: Tensor) -> Target:
    """Asks why one class rather than another: for the difference of their logits."""
    return lambda logits: logit(classes)(logits) - logit(against)(logits)


def judge(signed: Floats) -> str:
    """Whether the map of an image `(side, side)` says anything, taken by itself."""
    if not np.isfinite(signed).all():
        return NOT_FINITE
    return OK if signed.max() > 0 else ALL_ZERO


def is_blind(signed: Floats, other: Floats) -> bool:
    """Whether the maps of two classes are the same up to scale, so that neither is about its class."""
    if judge(signed) == NOT_FINITE or judge(other) == NOT_FINITE:
        return False
    largest, largest_other = np.abs(signed).max(), np.abs(other).max()
    if not (largest and largest_other):
        return False
    return bool(np.abs(signed / largest - other / largest_other).max() <= SAME)


def combined(maps: Sequence[Floats]) -> Floats | None:
    """One map, never negative, in which each of an image's maps that says something has the same weight.

    None: none of them says anything.
    """
    good = [np.maximum(signed, 0) / signed.max() for signed in maps if judge(signed) == OK]
    return np.mean(good, axis=0, dtype=np.float32) if good else None
