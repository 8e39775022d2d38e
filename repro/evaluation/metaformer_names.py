"""What the tensors of `repro.metaformer` are called in timm's files, both ways."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from torch import Tensor

NAMES = (
    # timm                                         here
    ("stem.norm.{kind}", "embeddings.0.after.{kind}"),
    ("stem.conv.{kind}", "embeddings.0.{kind}"),
    ("stages.{stage}.downsample.norm.{kind}", "embeddings.{stage}.before.{kind}"),
    ("stages.{stage}.downsample.conv.{kind}", "embeddings.{stage}.{kind}"),
    ("stages.{stage}.blocks.{block}.norm1.{kind}", "stages.{stage}.{block}.token_mixing.norm.{kind}"),
    (
        "stages.{stage}.blocks.{block}.token_mixer.random_matrix",
        "stages.{stage}.{block}.token_mixing.inner.matrix",
    ),
    ("stages.{stage}.blocks.{block}.token_mixer.{kind}", "stages.{stage}.{block}.token_mixing.inner.{kind}"),
    ("stages.{stage}.blocks.{block}.layer_scale1.scale", "stages.{stage}.{block}.token_mixing.scale"),
    (
        "stages.{stage}.blocks.{block}.res_scale1.scale",
        "stages.{stage}.{block}.token_mixing.residual_scale",
    ),
    ("stages.{stage}.blocks.{block}.norm2.{kind}", "stages.{stage}.{block}.channel_mixing.norm.{kind}"),
    ("stages.{stage}.blocks.{block}.mlp.{kind}", "stages.{stage}.{block}.channel_mixing.inner.{kind}"),
    ("stages.{stage}.blocks.{block}.layer_scale2.scale", "stages.{stage}.{block}.channel_mixing.scale"),
    (
        "stages.{stage}.blocks.{block}.res_scale2.scale",
        "stages.{stage}.{block}.channel_mixing.residual_scale",
    ),
    ("head.norm.{kind}", "norm.{kind}"),
    ("head.fc.{kind}", "head.{kind}"),
)
"""A stage and a block are numbers; a kind is what is left (`weight`, `fc1.bias`, …). The first that fits."""

_MEANING = {"stage": r"\d+", "block": r"\d+", "kind": r"[\w.]+"}


def from_timm(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under their names here.

    Raises:
        ValueError: one is called as none of timm's is.
    """
    return _renamed(tensors, NAMES)


def to_timm(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under timm's names.

    Raises:
        ValueError: one is called as none here is.
    """
    return _renamed(tensors, [(timm, here) for here, timm in NAMES])


def has_own_names(names: Iterable[str]) -> bool:
    """Whether a file's tensors are called as here, where the first is `embeddings.0.weight`."""
    return any(name.startswith("embeddings.") for name in names)


def _renamed(tensors: Mapping[str, Tensor], table: Iterable[tuple[str, str]]) -> dict[str, Tensor]:
    patterns = [(_pattern(old), new) for old, new in table]
    return {_rename(name, patterns): tensor for name, tensor in tensors.items()}


def _pattern(template: str) -> re.Pattern[str]:
    escaped = re.escape(template).replace(r"\{", "{").replace(r"\}", "}")
    return re.compile(escaped.format(**{key: f"(?P<{key}>{shape})" for key, shape in _MEANING.items()}))


def _rename(name: str, patterns: Iterable[tuple[re.Pattern[str], str]]) -> str:
    for pattern, new in patterns:
        if match := pattern.fullmatch(name):
            return new.format(**match.groupdict())
    raise ValueError(f"no tensor is called {name}")
