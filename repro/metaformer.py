"""MetaFormer: the transformer's structure with the token mixer left open (Yu et al., CVPR 2022).

An image I of `(n, 3, h, w)` becomes tokens, which stay laid out as an image `(n, c, h, w)`; four stages
follow, each a patch embedding (fewer tokens, more channels) and blocks of two residual sub-blocks:

    X = InputEmb(I)                          equation 1
    Y = X + λ₁ · TokenMixer(Norm(X))         equation 2, tokens exchange what they know
    Z = Y + λ₂ · σ(Norm(Y) W₁) W₂            equation 3, each token by itself

λ is a layer scale, one number a channel; the second paper scales the added X too. PoolFormer's token mixer
is the mean of the neighbours less the token. All is an argument: a row of the ablation, Table 5, is a line:

    MetaFormer(Architecture())                                       PoolFormer-S12
    MetaFormer(Architecture(token_mixer="identity"))                 its "identity mapping"
    MetaFormer(Architecture(token_mixer=("pooling", "pooling", "attention", "attention"), norm="layer"))
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import accumulate

import torch
from timm.layers.drop import DropPath
from timm.layers.norm import LayerNorm2d
from timm.layers.weight_init import trunc_normal_
from torch import Tensor, nn
from torch.nn import functional

from repro.architecture import HEAD_DIM, N_STAGES, STEM_PATCH_PX, Architecture


class Pooling(nn.Module):
    """Average pooling over K×K tokens (equation 4), less the token itself, since the block adds it again:

    T'[c,i,j] = mean of T[c,i+p,j+q] over |p|, |q| ≤ (K-1)/2 inside the image  -  T[c,i,j]
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(size, stride=1, padding=size // 2, count_include_pad=False)

    def forward(self, x: Tensor) -> Tensor:
        pooled: Tensor = self.pool(x)
        return pooled - x


class RandomMatrix(nn.Module):
    """Each token becomes a fixed random mean of all N: X' = W X, W = softmax(U(0, 1)) `(N, N)`.

    W is not learned. The first paper does not say how it is drawn; this is how the second paper does it.
    """

    def __init__(self, n_tokens: int) -> None:
        super().__init__()
        matrix = torch.rand(n_tokens, n_tokens).softmax(dim=-1)
        self.matrix = nn.Parameter(matrix, requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x.flatten(2), self.matrix).reshape(x.shape)


class SpatialFC(nn.Module):
    """A learned mean of all N tokens, the same for each channel: X' = W X + b, W `(N, N)`, as in ResMLP."""

    def __init__(self, n_tokens: int) -> None:
        super().__init__()
        self.fc = nn.Linear(n_tokens, n_tokens)

    def forward(self, x: Tensor) -> Tensor:
        mixed: Tensor = self.fc(x.flatten(2))
        return mixed.reshape(x.shape)


class Attention(nn.Module):
    """X' = softmax(Q Kᵀ / √32) V W in heads of 32 channels; Q, K, V are linear in X, without bias."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.proj = nn.Linear(dim, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        qkv = self.qkv(x.flatten(2).transpose(1, 2))  # (n, hw, 3c)
        q, k, v = qkv.reshape(n, h * w, 3, c // HEAD_DIM, HEAD_DIM).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(q, k, v)  # (n, heads, hw, 32)
        tokens: Tensor = self.proj(mixed.transpose(1, 2).reshape(n, h * w, c))
        return tokens.transpose(1, 2).reshape(n, c, h, w)


BUILD_MIXER: Mapping[str, Callable[[Architecture, int, int], nn.Module]] = {
    "pooling": lambda architecture, _dim, _n_tokens: Pooling(architecture.pool_size),
    "identity": lambda _, _dim, _n_tokens: nn.Identity(),
    "random-matrix": lambda _, _dim, n_tokens: RandomMatrix(n_tokens),
    "depthwise-conv": lambda _, dim, _n_tokens: nn.Conv2d(dim, dim, 3, padding=1, groups=dim),
    "attention": lambda _, dim, _n_tokens: Attention(dim),
    "spatial-fc": lambda _, _dim, n_tokens: SpatialFC(n_tokens),
}
"""By name, given the architecture, the channels c and the tokens h·w of a stage; `(n, c, h, w)` stays so."""

BUILD_NORM: Mapping[str, Callable[[int], nn.Module]] = {
    "modified-layer": lambda dim: nn.GroupNorm(1, dim),  # over channels and tokens
    "layer": lambda dim: LayerNorm2d(dim, eps=1e-5),  # over channels, each token by itself
    "batch": nn.BatchNorm2d,
    "none": lambda _: nn.Identity(),
    "modified-layer-no-bias": lambda dim: _without_bias(nn.GroupNorm(1, dim, eps=1e-6)),
    "layer-no-bias": lambda dim: LayerNorm2d(dim, eps=1e-6, bias=False),
}


class StarReLU(nn.Module):
    """s · max(x, 0)² + b, both numbers learned: the second paper's activation."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * functional.relu(x).square() + self.bias


BUILD_ACTIVATION: Mapping[str, Callable[[], nn.Module]] = {
    "gelu": nn.GELU,
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "star-relu": StarReLU,
}


class PerToken(nn.Conv2d):
    """X W + b of `(n, h, w, c)`: a convolution of 1×1 as the matrix product that it is, faster on a CPU."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.weight.flatten(1), self.bias)


class ChannelMLP(nn.Module):
    """σ(X W₁) W₂, each token by itself."""

    def __init__(self, architecture: Architecture, dim: int) -> None:
        super().__init__()
        inside = architecture.mlp_ratio * dim
        self.fc1 = PerToken(dim, inside, 1, bias=architecture.mlp_bias)
        self.act = BUILD_ACTIVATION[architecture.activation]()
        self.fc2 = PerToken(inside, dim, 1, bias=architecture.mlp_bias)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc2(self.act(self.fc1(x.permute(0, 2, 3, 1))))
        return out.permute(0, 3, 1, 2)


class SubBlock(nn.Module):
    """X + λ · inner(norm(X)), or without the X; drop path leaves the second term out for random images."""

    def __init__(self, architecture: Architecture, stage: int, inner: nn.Module, drop_path: float) -> None:
        super().__init__()
        dim = architecture.dims[stage]
        self.residual = architecture.residual
        scaled = architecture.residual_scale and stage >= N_STAGES - 2
        self.residual_scale = nn.Parameter(torch.ones(dim)) if scaled else None
        self.norm = BUILD_NORM[architecture.norm](dim)
        self.inner = inner
        scale = torch.full((dim,), float(architecture.layer_scale))  # TOML's 1 is an integer
        self.scale = nn.Parameter(scale) if architecture.layer_scale else None
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.inner(self.norm(x))
        if self.scale is not None:
            y = y * self.scale[:, None, None]
        y = self.drop_path(y)
        if not self.residual:
            return y
        return y + (x if self.residual_scale is None else x * self.residual_scale[:, None, None])


class Block(nn.Module):
    """Equations 2 and 3: `(n, c, h, w)` stays so."""

    def __init__(self, architecture: Architecture, stage: int, drop_path: float) -> None:
        super().__init__()
        dim, n_tokens = architecture.dims[stage], architecture.sides[stage] ** 2
        mixer = BUILD_MIXER[architecture.mixers[stage]](architecture, dim, n_tokens)
        self.token_mixing = SubBlock(architecture, stage, mixer, drop_path)
        self.channel_mixing: nn.Module = nn.Identity()
        if architecture.channel_mlp:
            self.channel_mixing = SubBlock(architecture, stage, ChannelMLP(architecture, dim), drop_path)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.channel_mixing(self.token_mixing(x))
        return out


class PatchEmbedding(nn.Conv2d):
    """`(n, c, h, w)` to `(n, c', h / stride, w / stride)`; patches overlap where they exceed the stride."""

    def __init__(self, architecture: Architecture, stage: int) -> None:
        from_dim, to_dim = (3, *architecture.dims)[stage : stage + 2]
        patch, stride = (3, 2) if stage else (STEM_PATCH_PX, architecture.stem_stride)
        super().__init__(from_dim, to_dim, patch, stride, padding=(patch - stride + 1) // 2)
        build_norm = BUILD_NORM[architecture.embedding_norm]
        self.before = build_norm(from_dim) if stage else nn.Identity()  # an image is not normalised
        self.after = nn.Identity() if stage else build_norm(to_dim)

    def forward(self, x: Tensor) -> Tensor:
        tokens: Tensor = self.after(super().forward(self.before(x)))
        return tokens


class MetaFormer(nn.Module):
    """Logits `(n, n_classes)` of images `(n, 3, size_px, size_px)`."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        depths, last_dim = architecture.depths, architecture.dims[-1]
        # Deeper blocks are dropped more often, linearly, the first never.
        last_block = architecture.depth - 1
        rates = [architecture.drop_path * block / last_block for block in range(architecture.depth)]
        self.embeddings = nn.ModuleList(PatchEmbedding(architecture, stage) for stage in range(N_STAGES))
        self.stages = nn.ModuleList(
            nn.Sequential(*(Block(architecture, stage, rate) for rate in rates[end - depths[stage] : end]))
            for stage, end in enumerate(accumulate(depths))
        )
        self.norm = nn.LayerNorm(last_dim, eps=1e-6) if architecture.pool_first else nn.GroupNorm(1, last_dim)
        self.mean = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(last_dim, architecture.n_classes)
        self.apply(_initialise)

    def forward(self, x: Tensor) -> Tensor:
        for embed, stage in zip(self.embeddings, self.stages, strict=True):
            x = stage(embed(x))
        x = self.norm(self.mean(x)) if self.architecture.pool_first else self.mean(self.norm(x))
        logits: Tensor = self.head(x)
        return logits


def _without_bias(norm: nn.Module) -> nn.Module:
    norm.register_parameter("bias", None)  # GroupNorm of torch 2.10 has no argument for it
    return norm


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.Linear):
        trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
