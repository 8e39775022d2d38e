"""What a MetaFormer is built from, settled before torch is imported; the paper's networks, a line each."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace

from repro.exceptions import UsageError
from repro.suggestions import suggest_of_all

N_STAGES = 4
HEAD_DIM = 32
"""Channels of a head of attention."""

STEM_PATCH_PX = 7
"""A side of what a token of the first stage is made from."""

TOKEN_MIXERS = ("pooling", "identity", "random-matrix", "depthwise-conv", "attention", "spatial-fc")
NORMS = ("modified-layer", "layer", "batch", "none", "modified-layer-no-bias", "layer-no-bias")
ACTIVATIONS = ("gelu", "relu", "silu", "star-relu")


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """What a MetaFormer is built from; as it stands, PoolFormer-S12 for 1000 classes.

    `token_mixer` is one for all stages or one a stage, from the first; `layer_scale` is what λ begins with,
    0 stands for none. Of `depth` blocks L/6, L/6, L/2 and L/6 stand in the stages. `stem_stride` is how many
    pixels a token of the first stage has a side; `size_px` is the images' side, which random matrices and
    spatial FC are bound to.

    The second paper's networks have besides an `embedding_norm` (of the tokens behind the stem, and before
    each later embedding), no `mlp_bias`, and a `residual_scale`: in the last two stages what passes a
    sub-block by is scaled too, by one number a channel, which begins with 1.

    `pool_first`: whether the last norm comes after the mean over tokens, as in timm, which the released
    weights are evaluated with here, or before it, as in the authors' code. Same parameters, other logits.

    Raises:
        UsageError: a name or a number cannot be meant.
    """

    depth: int = 12
    dims: tuple[int, ...] = (64, 128, 320, 512)
    token_mixer: str | tuple[str, ...] = "pooling"
    pool_size: int = 3
    norm: str = "modified-layer"
    activation: str = "gelu"
    residual: bool = True
    residual_scale: bool = False
    channel_mlp: bool = True
    mlp_ratio: int = 4
    mlp_bias: bool = True
    embedding_norm: str = "none"
    layer_scale: float = 1e-5
    drop_path: float = 0.0
    stem_stride: int = 4
    size_px: int = 224
    n_classes: int = 1000
    pool_first: bool = True

    def __post_init__(self) -> None:
        for mixer in self.mixers:
            _require_choice("token mixer", mixer, TOKEN_MIXERS)
        _require_choice("norm", self.norm, NORMS)
        _require_choice("embedding norm", self.embedding_norm, NORMS)
        _require_choice("activation", self.activation, ACTIVATIONS)
        for name in ("stem_stride", "size_px", "n_classes", "mlp_ratio"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} {getattr(self, name)}; needs 1 or more")
        if self.stem_stride > STEM_PATCH_PX + 1:
            raise UsageError(
                f"stem_stride {self.stem_stride} leaves pixels out between patches of {STEM_PATCH_PX} px; "
                f"needs {STEM_PATCH_PX + 1} or less"
            )
        if not 0 <= self.drop_path < 1:
            raise UsageError(f"drop_path {self.drop_path:g} is no share of blocks; needs 0 to below 1")
        if self.pool_size < 1 or self.pool_size % 2 == 0:
            raise UsageError(f"pool size {self.pool_size} has no middle; needs an odd one: 3, 5, 7, 9, …")
        if self.depth < 6 or self.depth % 6:
            raise UsageError(
                f"depth {self.depth} does not fit L/6, L/6, L/2, L/6; needs a multiple of 6: 12, 24, 36, …"
            )
        if len(self.dims) != N_STAGES or len(self.mixers) != N_STAGES or min(self.dims) < 1:
            raise UsageError(
                f"{len(self.dims)} dims and {len(self.mixers)} token mixers; needs {N_STAGES} dims, "
                f"and one token mixer or {N_STAGES}"
            )
        for dim, mixer in zip(self.dims, self.mixers, strict=True):
            if mixer == "attention" and dim % HEAD_DIM:
                raise UsageError(f"attention has heads of {HEAD_DIM} channels; {dim} is no multiple of it")
        if self.size_px % (8 * self.stem_stride):
            raise UsageError(
                f"images of {self.size_px} px cannot be halved thrice after a stem of stride "
                f"{self.stem_stride}; needs a multiple of {8 * self.stem_stride}"
            )

    @property
    def mixers(self) -> tuple[str, ...]:
        """The token mixer of each stage."""
        return (self.token_mixer,) * N_STAGES if isinstance(self.token_mixer, str) else self.token_mixer

    @property
    def depths(self) -> tuple[int, ...]:
        """The blocks of each stage."""
        return tuple(self.depth // part for part in (6, 6, 2, 6))

    @property
    def reach_px(self) -> int:
        """A side of what a token of the last stage sees through the patch embeddings alone: 63 by default."""
        return STEM_PATCH_PX + 2 * self.stem_stride * ((1 << N_STAGES - 1) - 1)

    @property
    def sides(self) -> tuple[int, ...]:
        """The tokens a side of each stage: 56, 28, 14, 7 of an image of 224 px."""
        first = self.size_px // self.stem_stride
        return tuple(first // 2**stage for stage in range(N_STAGES))


def _require_choice(what: str, name: str, choices: Collection[str]) -> None:
    if name not in choices:
        raise UsageError(f"unknown {what} {name!r}; {suggest_of_all(name, choices)}")


_S12 = Architecture()
_M36 = replace(_S12, depth=36, dims=(96, 192, 384, 768), layer_scale=1e-6)

POOLFORMERS: Mapping[str, Architecture] = {
    "poolformer_s12": _S12,
    "poolformer_s24": replace(_S12, depth=24),
    "poolformer_s36": replace(_S12, depth=36, layer_scale=1e-6),
    "poolformer_m36": _M36,
    "poolformer_m48": replace(_M36, depth=48),
}
"""The five of Table 1."""

_BASELINE = replace(
    _S12,
    norm="modified-layer-no-bias",
    activation="star-relu",
    residual_scale=True,
    mlp_bias=False,
    embedding_norm="layer-no-bias",
    layer_scale=0.0,
)
_MIXERS_OF_BASELINES: Mapping[str, str | tuple[str, ...]] = {
    "identityformer": "identity",
    "randformer": ("identity", "identity", "random-matrix", "random-matrix"),
    "poolformerv2": "pooling",
}

BASELINES: Mapping[str, Architecture] = {
    name.replace("poolformer", family): replace(
        _BASELINE, token_mixer=mixer, depth=poolformer.depth, dims=poolformer.dims
    )
    for family, mixer in _MIXERS_OF_BASELINES.items()
    for name, poolformer in POOLFORMERS.items()
}
"""Those of the second paper, MetaFormer Baselines for Vision, whose mixers have nothing to learn."""

METAFORMERS: Mapping[str, Architecture] = {**POOLFORMERS, **BASELINES}
"""All that are built here, by name."""

TABLE5: Mapping[str, Mapping[str, object]] = {
    "baseline": {},
    "identity mapping": {"token_mixer": "identity"},
    "global random matrix": {"token_mixer": "random-matrix"},
    "depthwise convolution": {"token_mixer": "depthwise-conv"},
    "pool 5": {"pool_size": 5},
    "pool 7": {"pool_size": 7},
    "pool 9": {"pool_size": 9},
    "layer norm": {"norm": "layer"},
    "batch norm": {"norm": "batch"},
    "no norm": {"norm": "none"},
    "ReLU": {"activation": "relu"},
    "SiLU": {"activation": "silu"},
    "no residual": {"residual": False},
    "no channel MLP": {"channel_mlp": False},
    "pool pool pool attention": {
        "token_mixer": ("pooling", "pooling", "pooling", "attention"),
        "norm": "layer",
    },
    "pool pool attention attention": {
        "token_mixer": ("pooling", "pooling", "attention", "attention"),
        "norm": "layer",
    },
    "pool pool pool spatial-fc": {"token_mixer": ("pooling", "pooling", "pooling", "spatial-fc")},
    "pool pool spatial-fc spatial-fc": {"token_mixer": ("pooling", "pooling", "spatial-fc", "spatial-fc")},
}
"""How each row of Table 5 departs from its baseline; hybrids with attention have layer norm by Table 6."""


def require_baseline(network: Architecture) -> None:
    """Holds a network to Table 5's baseline in all that its rows differ in.

    Raises:
        UsageError: it departs from it.
    """
    for name in dict.fromkeys(name for departure in TABLE5.values() for name in departure):
        if (found := getattr(network, name)) != (wanted := getattr(_S12, name)):
            raise UsageError(
                f"the baseline of Table 5 has {name} {wanted!r}; the recipe's network has {found!r}",
                hint=f"the recipe with --set network.{name}={str(wanted).lower()}",
            )


def departures(named: Architecture, stated: Mapping[str, object]) -> list[str]:
    """In what `stated`, as a file has it, makes another network of the same weights than `named`.

    What weights begin with, what drops at random in training, and numbers that their shapes show, are none.
    """
    own = asdict(named)
    names = own.keys() & stated.keys() - {"drop_path", "layer_scale", "n_classes", "size_px"}
    pairs = {name: (_listed(stated[name]), _listed(own[name])) for name in sorted(names)}
    return [f"{name} {found}, not {wanted}" for name, (found, wanted) in pairs.items() if found != wanted]


def _listed(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def table5_row(row: str, baseline: Architecture = _S12) -> Architecture:
    """The network of a row of Table 5, or the same departure from another baseline.

    Raises:
        UsageError: Table 5 has no such row.
    """
    _require_choice("row of Table 5", row, TABLE5)
    return replace(baseline, **TABLE5[row])  # type: ignore[arg-type]  # whose values the class checks
