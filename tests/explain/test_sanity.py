"""The check of Adebayo et al. 2018: a map is worth nothing if it outlives the weights it should explain."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from repro.catalogue.models import find_model
from repro.datasets import open_dataset
from repro.datasets.decode import decode
from repro.evaluation.networks import build_network
from repro.evaluation.preprocess import crop, normalise
from repro.evaluation.weights import locate_weights
from repro.explain.faithfulness import falls
from repro.explain.heat_maps import Floats, HeatMapper, logit
from repro.explain.methods import METHODS, find_layer

N = 4


@pytest.fixture(scope="module")
def photographs() -> tuple[torch.Tensor, torch.Tensor]:
    """Crops of the packaged photographs, and their classes."""
    dataset, protocol = open_dataset(), find_model("lite0").protocols["authors"]
    samples = dataset.samples[:N]
    crops = torch.stack([crop(decode(dataset.read(sample)).rgb, protocol.geometry) for sample in samples])
    return crops, torch.tensor([sample.label for sample in samples])


def network() -> nn.Module:
    spec = find_model("lite0")
    return build_network(spec, locate_weights(spec))


def shuffle_weights(module: nn.Module) -> None:
    """Puts the weights of every layer in another order: they are distributed as before, and know nothing."""
    generator = torch.Generator().manual_seed(0)
    for parameter in module.parameters():
        flat = parameter.data.flatten()
        parameter.data = flat[torch.randperm(len(flat), generator=generator)].view_as(parameter)


def maps(net: nn.Module, photographs: tuple[torch.Tensor, torch.Tensor], method: str) -> Floats:
    crops, classes = photographs
    protocol = find_model("lite0").protocols["authors"]
    mapper = HeatMapper(net, find_layer("tf_efficientnet_lite0"), method)
    return mapper(normalise(crops, protocol), [logit(classes)]).signed[0]


@pytest.mark.parametrize("method", METHODS)
def test_maps_do_not_outlive_the_weights(method: str, photographs: tuple[torch.Tensor, torch.Tensor]) -> None:
    """From the head downwards, as in the paper: first the classifier alone, then everything."""
    net = network()
    before = maps(net, photographs, method)
    assert np.array_equal(before, maps(net, photographs, method))
    shuffle_weights(net.get_classifier())
    assert abs(similarity(before, maps(net, photographs, method))) < 0.5
    shuffle_weights(net)
    assert abs(similarity(before, maps(net, photographs, method))) < 0.5


@pytest.mark.parametrize("name", ["GradCAMPlusPlus", "LayerCAM", "GradCAMElementWise"])
def test_methods_that_fail_the_check_are_not_offered(
    name: str, photographs: tuple[torch.Tensor, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert name not in METHODS.values()
    monkeypatch.setitem(METHODS, "failing", name)
    net = network()
    before = maps(net, photographs, "failing")
    shuffle_weights(net.get_classifier())
    assert similarity(before, maps(net, photographs, "failing")) > 0.9


def similarity(one: Floats, other: Floats) -> float:
    """Mean rank correlation of two maps of the same image."""
    pairs = zip(one, other, strict=True)
    return float(np.mean([spearmanr(a.ravel(), b.ravel()).statistic for a, b in pairs if b.any()]))


def test_real_maps_are_more_faithful_than_random_ones(
    photographs: tuple[torch.Tensor, torch.Tensor],
) -> None:
    crops, classes = photographs
    net, protocol = network(), find_model("lite0").protocols["authors"]
    seeds = [str(i) for i in range(N)]
    good = maps(net, photographs, "gradcam")
    fell, at_random = falls(net, crops, protocol, [good, -good], [logit(classes)] * 2, seeds)
    assert (fell[0] > at_random[0]).mean() >= 0.75
    assert fell[0].mean() > at_random[0].mean() > fell[1].mean()
    assert np.array_equal(at_random[0], at_random[1])
    again, _ = falls(net, crops, protocol, [good], [logit(classes)], seeds)
    assert np.allclose(again[0], fell[0], atol=1e-5)
