"""The models: read from models.toml and the papers' files, never by timm's moving defaults."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any

from repro.architecture import METAFORMERS
from repro.catalogue.csv_files import csv_rows
from repro.catalogue.papers import load_papers
from repro.exceptions import UsageError
from repro.specs import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    PROTOCOL_NAMES,
    UNKNOWN_MIXER,
    HubWeights,
    ModelSpec,
    PackageWeights,
    Protocol,
)
from repro.suggestions import suggest

TIMM_PREFIX = "timm:"
OWN_PREFIX = "metaformer:"
"""Before a PoolFormer's name, of either paper: the same model as `repro/metaformer.py` builds it."""


@cache
def load_models() -> tuple[ModelSpec, ...]:
    """Every model of the catalogue, paper by paper in the papers' order, the reference models last."""
    text = files("repro.catalogue").joinpath("models.toml").read_text(encoding="utf-8")
    entries = [
        *tomllib.loads(text)["model"],
        *(m for p in load_papers().values() for m in p.get("model", ())),
    ]
    models = (_model(entry) for entry in entries)
    return tuple(sorted(models, key=lambda spec: isinstance(spec.weights, PackageWeights)))


def _model(entry: Mapping[str, Any]) -> ModelSpec:
    tag = entry.get("tag")
    return ModelSpec(
        name=entry["name"],
        label=entry["label"],
        token_mixer=entry["token_mixer"],
        aliases=tuple(entry.get("aliases", ())),
        tag=tag,
        architecture=entry.get("architecture"),
        protocols=_protocols(entry),
        weights=_weights(entry),
        unavailable=entry.get("unavailable", ""),
        params=entry.get("params"),
        macs=entry.get("macs", {}),
        note=entry.get("note", ""),
        built_by=entry.get("built_by", "timm"),
    )


def _protocols(entry: Mapping[str, Any]) -> dict[str, Protocol]:
    """Both named protocols; the authors' is timm's where theirs is not known."""
    if "size_px" not in entry:
        return {}
    crop = entry.get("crop", {"timm": 0.875})

    def protocol(name: str) -> Protocol:
        return Protocol(
            size_px=entry["size_px"],
            crop=crop.get(name, crop["timm"]),
            interpolation=entry.get("interpolation", "bicubic"),
            mean=tuple(entry.get("mean", IMAGENET_MEAN)),
            std=tuple(entry.get("std", IMAGENET_STD)),
        )

    return {"authors": protocol("authors"), "timm": protocol("timm")}


def _weights(entry: Mapping[str, Any]) -> HubWeights | PackageWeights | None:
    if package := entry.get("package"):
        return PackageWeights(package["module"], package["path"], package["sha256"])
    return HubWeights(f"timm/{entry['tag']}") if "tag" in entry else None


@cache
def _by_any_name() -> dict[str, ModelSpec]:
    return {
        name: spec for spec in load_models() for name in (spec.name, *spec.aliases, *filter(None, [spec.tag]))
    }


def find_model(name: str) -> ModelSpec:
    """The model called `name`, an alias of it or its full timm tag; `timm:NAME.TAG` is any timm checkpoint.

    A `timm:` model comes back without protocols: only timm knows them. `metaformer:poolformer_s12` is the
    catalogue's PoolFormer in this project's own code.

    Raises:
        UsageError: nothing is called so; the nearest names are in the message.
    """
    known = _by_any_name()
    key = name.strip()
    if key.startswith(TIMM_PREFIX):
        return _timm_model(key)
    if key.lower().startswith(OWN_PREFIX):
        return _own_model(key)
    if key.lower() in known:
        return known[key.lower()]
    otherwise = f"or, for any other of timm's, {TIMM_PREFIX}NAME.TAG"
    suggestion = suggest(key.lower(), known, most=3, otherwise=otherwise)
    raise UsageError(f"unknown model {name!r}; {suggestion}", hint="repro models")


def _timm_model(name: str) -> ModelSpec:
    tag = name.removeprefix(TIMM_PREFIX)
    architecture, dot, checkpoint = tag.partition(".")
    if not (architecture and dot and checkpoint):
        raise UsageError(
            f"{name!r} names no checkpoint: write {TIMM_PREFIX}NAME.TAG "
            "(a bare timm name means whatever timm's default is today)",
            hint="repro eval --models timm:resnet18.a1_in1k",
        )
    known = _by_any_name().get(tag)
    return known or ModelSpec(
        name=name, label=tag, token_mixer=UNKNOWN_MIXER, tag=tag, weights=HubWeights(f"timm/{tag}")
    )


def _own_model(name: str) -> ModelSpec:
    known = _by_any_name().get(name.lower().removeprefix(OWN_PREFIX))
    if known is None or known.name not in METAFORMERS:
        choices = ", ".join(OWN_PREFIX + metaformer for metaformer in METAFORMERS)
        raise UsageError(f"unknown model {name!r}; there are {choices}", hint="repro models")
    if known.built_by == "metaformer":
        return known
    return replace(known, name=OWN_PREFIX + known.name, aliases=(), built_by="metaformer")


def require_protocol(name: str) -> None:
    """Refuses what is no protocol's name.

    Raises:
        UsageError: it is none.
    """
    if name not in PROTOCOL_NAMES:
        raise UsageError(f"unknown protocol {name!r}; there are {', '.join(PROTOCOL_NAMES)}")


@cache
def published_by_timm() -> dict[str, dict[str, Decimal]]:
    """Timm's own results for its checkpoints, in percent: `{tag: {"imagenet_top1": Decimal("80.294"), …}}`"""
    return {
        row["timm_tag"]: {
            key: Decimal(value) for key, value in row.items() if key.endswith(("_top1", "_top5")) and value
        }
        for row in csv_rows("published_by_timm.csv")
    }
