"""The networks of the paper's Table 5, built from timm's PoolFormer-S12, to be counted untrained."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import timm
import torch
from timm.layers import LayerNorm2d
from timm.models.metaformer import Attention
from torch import Tensor, nn

TOKENS = (56 * 56, 28 * 28, 14 * 14, 7 * 7)
DIMS = (64, 128, 320, 512)


class OverTokens(nn.Module):
    """Lets `mixer`, which takes `(n, tokens, c)` or `(n, c, tokens)`, take images `(n, c, h, w)`."""

    def __init__(self, mixer: nn.Module, channels_last: bool) -> None:
        super().__init__()
        self.mixer, self.channels_last = mixer, channels_last

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(2)
        mixed = self.mixer(flat.transpose(1, 2)).transpose(1, 2) if self.channels_last else self.mixer(flat)
        return mixed.reshape(x.shape)


def attention(stage: int) -> nn.Module:
    return OverTokens(Attention(DIMS[stage]), channels_last=True)


def spatial_fc(stage: int) -> nn.Module:
    return OverTokens(nn.Linear(TOKENS[stage], TOKENS[stage]), channels_last=False)


def random_matrix(stage: int) -> nn.Module:
    return OverTokens(nn.Linear(TOKENS[stage], TOKENS[stage], bias=False), channels_last=False)


def depthwise(stage: int) -> nn.Module:
    return nn.Conv2d(DIMS[stage], DIMS[stage], 3, padding=1, groups=DIMS[stage])


def with_mixers(mixer: Callable[[int], nn.Module], *stages: int) -> nn.Module:
    network = poolformer_s12()
    for stage in stages:
        for block in network.stages[stage].blocks:
            block.token_mixer = mixer(stage)
    return network


def with_norms(norm: Callable[[int], nn.Module]) -> nn.Module:
    network = poolformer_s12()
    for stage, dim in zip(network.stages, DIMS, strict=True):
        for block in stage.blocks:
            block.norm1, block.norm2 = norm(dim), norm(dim)
    return network


def with_activation(activation: Callable[[], nn.Module]) -> nn.Module:
    network = poolformer_s12()
    for stage in network.stages:
        for block in stage.blocks:
            block.mlp.act = activation()
    return network


def without_channel_mlp() -> nn.Module:
    network = poolformer_s12()
    for stage in network.stages:
        for block in stage.blocks:
            block.norm2 = block.mlp = block.layer_scale2 = nn.Identity()
    return network


def poolformer_s12() -> nn.Module:
    return timm.create_model("poolformer_s12")


ALL = (0, 1, 2, 3)
NETWORKS: Mapping[str, Callable[[], nn.Module]] = {
    "identity mapping": lambda: with_mixers(lambda _: nn.Identity(), *ALL),
    "global random matrix": lambda: with_mixers(random_matrix, *ALL),
    "depthwise convolution": lambda: with_mixers(depthwise, *ALL),
    "pool 5": lambda: with_mixers(lambda _: nn.AvgPool2d(5, 1, 2), *ALL),
    "pool 7": lambda: with_mixers(lambda _: nn.AvgPool2d(7, 1, 3), *ALL),
    "pool 9": lambda: with_mixers(lambda _: nn.AvgPool2d(9, 1, 4), *ALL),
    "layer norm": lambda: with_norms(LayerNorm2d),
    "batch norm": lambda: with_norms(nn.BatchNorm2d),
    "no norm": lambda: with_norms(lambda _: nn.Identity()),
    "ReLU": lambda: with_activation(nn.ReLU),
    "SiLU": lambda: with_activation(nn.SiLU),
    "no residual": poolformer_s12,  # an addition less; no counter counts additions
    "no channel MLP": without_channel_mlp,
    "pool pool pool attention": lambda: with_mixers(attention, 3),
    "pool pool attention attention": lambda: with_mixers(attention, 2, 3),
    "pool pool pool spatial-fc": lambda: with_mixers(spatial_fc, 3),
    "pool pool spatial-fc spatial-fc": lambda: with_mixers(spatial_fc, 2, 3),
}

FROZEN = {"global random matrix": sum(n * n * depth for n, depth in zip(TOKENS, (2, 2, 6, 2), strict=True))}
"""Parameters that are never learned; Table 5 states them apart."""


def count(name: str) -> tuple[int, int]:
    """Learned parameters, and MACs by fvcore, of a row of Table 5."""
    from repro.evaluation.complexity import _count_by_fvcore

    with torch.device("meta"):
        network = NETWORKS[name]().eval()
    params = sum(p.numel() for p in network.parameters()) - FROZEN.get(name, 0)
    return params, _count_by_fvcore(network, 224).macs
