"""How heat maps are computed, and where in a network: as data. No torch here."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from repro.exceptions import UsageError

METHODS: Mapping[str, str] = {
    "gradcam": "GradCAM",
    "hirescam": "HiResCAM",
    "xgradcam": "XGradCAM",
}
"""Classes of pytorch-grad-cam by name, but only those that heed the target on every family of networks.

Grad-CAM++, LayerCAM and GradCAMElementWise hardly notice when the classifier's weights are shuffled (the
maps' ranks correlate by 0.95; tests/explain/test_sanity.py); EigenCAM, KPCA-CAM and FEM give the same map
for every class; ShapleyCAM fails on tokens; ScoreCAM and AblationCAM need a forward pass a channel.
"""

LAYERS: Mapping[str, str] = {
    "poolformer": "stages.-1",
    "identityformer": "stages.-1",
    "randformer": "stages.-1",
    "convformer": "stages.-1",
    "caformer": "stages.-1",
    "deit": "blocks.-1.norm1",
    "vit": "blocks.-1.norm1",
    "resmlp": "blocks.-1",
    "mixer": "blocks.-1",
    "gmlp": "blocks.-1",
    "resnet": "layer4.-1",
    "tf_efficientnet": "bn2",
    "efficientnet": "bn2",
}
"""The layer whose output a heat map is of, by how the architecture's name begins.

It is the last one with a place for everything that every target still depends on. Behind the last
block of a ViT that is no longer so: only the class token reaches its head, and the map is all zero.
"""


def find_method(name: str) -> str:
    """The class of pytorch-grad-cam called `name` here.

    Raises:
        UsageError: none is.
    """
    if name not in METHODS:
        raise UsageError(f"unknown method {name!r}; there are {', '.join(METHODS)}")
    return METHODS[name]


def find_layer(timm_name: str) -> str:
    """Where the heat map of a network is taken.

    Raises:
        UsageError: nobody has said so for its family yet.
    """
    prefixes = [prefix for prefix in LAYERS if timm_name.startswith(prefix)]
    if not prefixes:
        near = difflib.get_close_matches(timm_name.partition("_")[0], LAYERS)
        suggestion = f" (there is one for {near[0]})" if near else ""
        raise UsageError(
            f"no heat-map layer is known for {timm_name}{suggestion}; name one with --layer, "
            "the last that still has a place for everything",
            hint="--layer layer4.-1",
        )
    return LAYERS[max(prefixes, key=len)]
