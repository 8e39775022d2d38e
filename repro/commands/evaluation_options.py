"""The options of the verbs that run models, and what `--weights` says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from repro.catalogue.models import find_model
from repro.commands.door import path_or_address
from repro.exceptions import UsageError

ModelsOption = Annotated[
    str, typer.Option("--models", help="Names from `repro models`, or timm:NAME.TAG; separated by commas.")
]
DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        parser=path_or_address,
        metavar="<path>",
        help="Class folders named by wnid, ILSVRC2012_val_*.JPEG in one folder, a tar of either, "
        "Parquet shards, also at s3://…, or ImageNet-V2, -A, -R or -Sketch.  "
        "[default: photos20, 20 photographs of the foolbox package]",
        show_default=False,
    ),
]
LabelsOption = Annotated[
    Path | None,
    typer.Option(
        "--labels", help="Labels of a flat folder: a csv of name,label, or the ILSVRC2012 devkit's folder."
    ),
]
ProtocolOption = Annotated[
    str,
    typer.Option(
        "--protocol", help="authors (judged by the printed figures) or timm (by timm's published ones)."
    ),
]
WeightsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--weights",
        metavar="NAME=PATH",
        help="Local safetensors for a model; may be given several times. For one model alone: PATH.",
    ),
]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or mps.")]
BatchSizeOption = Annotated[
    int | None,
    typer.Option(
        "--batch-size", min=1, help="Images in a forward pass.  [default: by device]", show_default=False
    ),
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(
        "--threads", min=1, help="Threads of torch on a CPU.  [default: torch's]", show_default=False
    ),
]
PrecisionOption = Annotated[
    str,
    typer.Option(
        "--precision",
        help="fp32; exact-fast (bf16, fp16 or folded norms, and fp32 where that could decide otherwise); "
        "auto (exact-fast where a trial shows that it pays); bf16 or fp16 throughout, which decides "
        "a few images otherwise than fp32.",
    ),
]
TuneOption = Annotated[
    bool,
    typer.Option(
        "--tune",
        help="Let a short trial choose memory format, batch size and threads; kept for this evaluation.",
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option("--workers", min=0, help="Loader processes.  [default: by device]", show_default=False),
]
NoCanaryOption = Annotated[
    bool,
    typer.Option("--no-canary", help="Go on although the labels or the first images show a fault."),
]
PrepareOption = Annotated[
    bool,
    typer.Option(
        "--prepare",
        help="Keep the crops in runs/crops, and take from there what is kept: the next evaluation with "
        "this option decodes nothing. An image whose file has changed is read again.",
    ),
]
CacheOption = Annotated[
    Path | None,
    typer.Option("--cache", metavar="DIR", help="As --prepare, with the crops in DIR.", show_default=False),
]
HashImagesOption = Annotated[
    bool,
    typer.Option(
        "--hash-images",
        help="With --prepare: read every image, to know by its SHA-256 that it is the one that was cropped; "
        "else size and times of its file tell.",
    ),
]


def local_weights(options: list[str], models: str = "") -> Mapping[str, Path]:
    """`["deit_s=w.safetensors"]` as a mapping; where `models` is one alone, its file needs no name.

    Raises:
        UsageError: an option has no name or no path, or a model has two.
    """
    if len(options) == 1 and models and "," not in models:
        alone = Path(options[0])  # which may hold an equals sign: runs/lr=0.1/model.safetensors
        if alone.is_file() or ("=" not in options[0] and alone.suffix):
            options = [f"{models}={alone}"]
    pairs = [option.partition("=") for option in options]
    for option, (name, equals, path) in zip(options, pairs, strict=True):
        if not (name and equals and path):
            raise UsageError(
                f"--weights {option!r} is not of the form NAME=PATH",
                hint="--weights deit_s=model.safetensors",
            )
    names = [find_model(name).name for name, *_ in pairs]
    if repeated := [name for i, name in enumerate(names) if name in names[:i]]:
        raise UsageError(f"--weights names two files for {repeated[0]}; one is needed")
    return {name: Path(path) for name, _, path in pairs}
