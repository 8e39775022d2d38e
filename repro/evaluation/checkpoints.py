"""What timm states about its own checkpoints: their names, their heads, how they are evaluated."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from repro.exceptions import UsageError
from repro.specs import N_CLASSES, RGB, HubWeights, ModelSpec, Protocol
from repro.suggestions import suggest

if TYPE_CHECKING:
    from timm.models import PretrainedCfg


def resolve_timm_spec(spec: ModelSpec) -> ModelSpec:
    """A `timm:` model with its protocols and its repository; a model of the catalogue has both already.

    Raises:
        UsageError: timm has no such checkpoint, or it cannot be evaluated here.
    """
    if spec.protocols or spec.tag is None:
        return spec
    protocol = timm_protocol(spec.tag)
    repo_id = _pretrained_cfg(spec.tag).hf_hub_id
    if repo_id is None:
        raise UsageError(f"timm does not keep {spec.tag} on the hub, and only safetensors are loaded")
    return replace(spec, protocols={"authors": protocol, "timm": protocol}, weights=HubWeights(repo_id))


def timm_protocol(tag: str) -> Protocol:
    """How timm evaluates its checkpoint `tag`, at the size it was trained for (not `test_input_size`).

    Raises:
        UsageError: timm has no such checkpoint, or it cannot be evaluated here.
    """
    cfg = _pretrained_cfg(tag)
    channels, height_px, width_px = cfg.input_size
    if channels != 3 or height_px != width_px:
        raise UsageError(
            f"{tag} takes {channels} x {height_px} x {width_px}; only square RGB images are supported"
        )
    if cfg.crop_mode not in ("center", "squash"):
        raise UsageError(f"{tag} has crop mode {cfg.crop_mode!r}; only center and squash are supported")
    return Protocol(
        size_px=height_px,
        crop=cfg.crop_pct,
        interpolation=cfg.interpolation,
        mean=_rgb(cfg.mean),
        std=_rgb(cfg.std),
        crop_mode=cfg.crop_mode,
    )


def _rgb(values: tuple[float, ...]) -> RGB:
    red, green, blue = values
    return (red, green, blue)


def _pretrained_cfg(tag: str) -> PretrainedCfg:
    import timm

    known = _names()
    cfg = timm.get_pretrained_cfg(tag) if tag in known else None
    if cfg is None:
        siblings = [name for name in known if name.partition(".")[0] == tag.partition(".")[0]]
        suggestion = suggest(tag, siblings or known, most=3, otherwise="timm.list_pretrained() lists them")
        raise UsageError(f"timm has no checkpoint {tag!r}; {suggestion}")
    if cfg.num_classes != N_CLASSES:
        raise UsageError(f"{tag}: head has {cfg.num_classes:,} classes; needs {N_CLASSES}")
    return cfg


@cache
def _names() -> list[str]:
    import timm

    return timm.list_pretrained()
