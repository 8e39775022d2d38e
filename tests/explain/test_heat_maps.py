"""Heat maps of every family of networks: they heed the target, and are the library's own, bit for bit."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import pytorch_grad_cam
import timm
import torch
from pytorch_grad_cam.utils.image import scale_cam_image
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn

from repro.catalogue.models import load_models
from repro.exceptions import UsageError
from repro.explain.heat_maps import (
    Floats,
    HeatMapper,
    contrast,
    is_blind,
    judge,
    layer_name,
    logit,
    resolve_layer,
)
from repro.explain.methods import LAYERS, METHODS, find_layer, find_method
from repro.results.heat_maps import ALL_ZERO, NOT_FINITE, OK

SIZE_PX = 64

NETWORKS = {
    "poolformer_s12": {},
    "deit_tiny_patch16_224": {"img_size": SIZE_PX},
    "deit_tiny_distilled_patch16_224": {"img_size": SIZE_PX},
    "resmlp_12_224": {"img_size": SIZE_PX},
    "resnet18": {},
    "tf_efficientnet_lite0": {},
    "caformer_s18": {},
    "mixer_s16_224": {"img_size": SIZE_PX},
}
SIDES = {"deit": 4, "resmlp": 4, "mixer": 4}


@cache
def network_of(name: str) -> nn.Module:
    """With random weights; ResMLP's and Mixer's heads, all zero in timm, get some too."""
    torch.manual_seed(0)
    network = timm.create_model(name, **NETWORKS[name]).eval()
    head = network.head if name.startswith(("resmlp", "mixer")) else None
    if head is not None:
        assert not head.weight.any()
        nn.init.normal_(head.weight, std=0.1)
    return network


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.randn(2, 3, SIZE_PX, SIZE_PX, generator=torch.Generator().manual_seed(1))


def signed_maps(network: nn.Module, layer: str, method: str, images: torch.Tensor) -> tuple[Floats, ...]:
    """Of two classes for each image, and of their contrast."""
    classes, others = torch.tensor([1, 2]), torch.tensor([5, 7])
    targets = [logit(classes), logit(others), contrast(classes, others)]
    return HeatMapper(network, layer, method)(images, targets).signed


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_map_moves_when_the_target_does(name: str, method: str, images: torch.Tensor) -> None:
    network = network_of(name)
    first, second, why = signed_maps(network, find_layer(name), method, images)
    side = SIDES.get(name.partition("_")[0], 2)
    assert first.shape == second.shape == why.shape == (2, side, side)
    for i in range(2):
        assert np.isfinite([first[i], second[i], why[i]]).all()
        assert first[i].any() and second[i].any()
        assert not is_blind(first[i], second[i])


@pytest.mark.parametrize("name", NETWORKS)
def test_only_one_output_has_a_gradient_and_the_map_is_the_librarys(name: str, images: torch.Tensor) -> None:
    """The library's own way: every parameter with a gradient, its own targets, its own scaling."""
    network = network_of(name)
    (signed, *_) = signed_maps(network, find_layer(name), "gradcam", images)
    assert all(parameter.grad is None for parameter in network.parameters())
    layer = resolve_layer(network, find_layer(name))
    assert not layer._forward_hooks

    network.requires_grad_(True)
    reshape = HeatMapper(network_of(name), find_layer(name))._to_grid
    network.requires_grad_(True)
    cam = pytorch_grad_cam.GradCAM(network, [layer], reshape)
    theirs = cam(images, [ClassifierOutputTarget(1), ClassifierOutputTarget(2)])
    cam.activations_and_grads.release()
    assert any(parameter.grad is not None for parameter in network.parameters())
    network.requires_grad_(False)
    network.zero_grad()
    ours = scale_cam_image(scale_cam_image(np.maximum(signed, 0), (SIZE_PX, SIZE_PX)))
    assert np.array_equal(ours, theirs)


def test_logits_and_maps_do_not_depend_on_the_batch(images: torch.Tensor) -> None:
    network = network_of("poolformer_s12")
    mapper = HeatMapper(network, "stages.-1")
    both = mapper(images, [logit(torch.tensor([1, 2]))])
    alone = [mapper(images[i : i + 1], [logit(torch.tensor([c]))]) for i, c in enumerate([1, 2])]
    with torch.inference_mode():
        assert torch.allclose(both.logits, network(images), atol=1e-5)
    assert np.allclose(both.signed[0], np.concatenate([one.signed[0] for one in alone]), atol=1e-6)


def test_contrast_is_the_difference(images: torch.Tensor) -> None:
    for name in NETWORKS:
        first, second, why = signed_maps(network_of(name), find_layer(name), "gradcam", images)
        assert np.allclose(why, first - second, atol=1e-5 * np.abs(first).max())


@pytest.mark.parametrize("layer", ["blocks.-1", "norm"])
def test_behind_the_last_attention_of_a_vit_a_map_is_all_zero(layer: str, images: torch.Tensor) -> None:
    for signed in signed_maps(network_of("deit_tiny_patch16_224"), layer, "gradcam", images):
        assert [judge(one) for one in signed] == [ALL_ZERO, ALL_ZERO]


def test_a_zero_head_makes_a_zero_map(images: torch.Tensor) -> None:
    network = timm.create_model("resmlp_12_224", img_size=SIZE_PX)
    (signed, *_) = signed_maps(network, find_layer("resmlp_12_224"), "gradcam", images)
    assert [judge(one) for one in signed] == [ALL_ZERO, ALL_ZERO]


def test_a_network_that_heeds_no_target_is_found_blind(images: torch.Tensor) -> None:
    network = timm.create_model("resnet18")
    with torch.no_grad():  # every class looks for the same, more or less strongly
        network.fc.weight.copy_(network.fc.weight[:1] * torch.linspace(1, 2, 1000)[:, None])
    first, second, _ = signed_maps(network, "layer4.-1", "gradcam", images)
    assert all(is_blind(first[i], second[i]) for i in range(2))
    assert not is_blind(first[0], first[1])
    assert not is_blind(first[0], -first[0])


def test_what_is_not_finite_is_said() -> None:
    cells = np.array([[0, 1], [np.nan, 2]], np.float32)
    assert judge(cells) == NOT_FINITE
    assert judge(np.float32([[np.inf, 0]])) == NOT_FINITE
    assert judge(np.float32([[-1, 0]])) == ALL_ZERO
    assert judge(np.float32([[-1, 1e-9]])) == OK
    assert not is_blind(cells, cells)


def test_every_family_of_the_catalogue_has_a_layer() -> None:
    for spec in load_models():
        if spec.timm_name:
            assert find_layer(spec.timm_name) in LAYERS.values()


def test_a_layer_has_one_name() -> None:
    network = network_of("poolformer_s12")
    assert layer_name(network, "stages.-1") == layer_name(network, "stages.3") == "stages.3"
    assert layer_name(network_of("deit_tiny_patch16_224"), "blocks.-1.norm1") == "blocks.11.norm1"


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        ("stags.-1", "no layer 'stags.-1': at 'stags' there is stages"),
        ("stages.-9", "at '-9' there is"),
        ("head.fc", "has no place for everything"),
    ],
)
def test_a_layer_that_cannot_be_meant_is_told(layer: str, words: str, images: torch.Tensor) -> None:
    with pytest.raises(UsageError, match=words):
        signed_maps(network_of("poolformer_s12"), layer, "gradcam", images)


def test_unknown_families_and_methods_are_told() -> None:
    with pytest.raises(UsageError, match="no heat-map layer is known for swin_tiny; name one with --layer"):
        find_layer("swin_tiny")
    with pytest.raises(UsageError, match="unknown method 'eigencam'; there are gradcam"):
        find_method("eigencam")
