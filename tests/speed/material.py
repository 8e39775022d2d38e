"""What both sides of the benchmark are given: the same photographs, and the same tensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def describe_model(name: str, folder: Path) -> dict[str, Any]:
    """A model as timm's loop needs it; its tensors are written once, random ones where none can be had."""
    from repro.catalogue.models import find_model

    spec = find_model(name)
    protocol = spec.protocols["authors"]
    return {
        "name": spec.name,
        "timm_name": spec.timm_name,
        "weights": str(_write_weights(spec.name, folder / "weights")),
        "size_px": protocol.size_px,
        "crop": protocol.crop,
        "interpolation": protocol.interpolation,
        "mean": protocol.mean,
        "std": protocol.std,
    }


def _write_weights(name: str, folder: Path) -> Path:
    import safetensors.torch
    import timm
    import torch

    from repro.catalogue.models import find_model
    from repro.evaluation.networks import build_network
    from repro.evaluation.weights import locate_weights
    from repro.specs import PackageWeights

    spec = find_model(name)
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.safetensors"
    if not path.is_file():
        if isinstance(spec.weights, PackageWeights):
            network = build_network(spec, locate_weights(spec))
        else:
            torch.manual_seed(0)
            network = timm.create_model(str(spec.timm_name), pretrained=False)
            torch.nn.init.normal_(network.get_classifier().weight, std=0.02)  # ResMLP's begins as zeros
        safetensors.torch.save_file({k: v.contiguous() for k, v in network.state_dict().items()}, path)
    return path


def place_photographs(data: Path, n: int, copies: int, folder: Path) -> Path:
    """`n` of the photographs in class folders, over the classes: as links, or `copies` files of each."""
    classes = sorted(path for path in data.iterdir() if path.is_dir())
    by_class = [sorted(path.iterdir()) for path in classes]
    turns = [
        photos[turn] for turn in range(max(map(len, by_class))) for photos in by_class if turn < len(photos)
    ]
    for photograph in turns[:n]:
        place = folder / photograph.parent.name
        place.mkdir(parents=True, exist_ok=True)
        if copies == 1:
            (place / photograph.name).symlink_to(photograph)
            continue
        file = photograph.read_bytes()
        for i in range(copies):
            (place / f"{photograph.stem}-{i:04d}{photograph.suffix}").write_bytes(
                with_comment(file, f"{i:04d}")
            )
    return folder


def with_comment(jpeg: bytes, comment: str) -> bytes:
    """Another file of the same pixels, which costs as much to decode."""
    text = comment.encode("ascii")
    return jpeg[:2] + b"\xff\xfe" + (2 + len(text)).to_bytes(2, "big") + text + jpeg[2:]
