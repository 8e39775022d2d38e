"""The benchmark's numbers as JSON, as a table and as a picture."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

BY = "make bench"


def keep(measured: Mapping[str, Any], folder: Path) -> str:
    """Puts a set of models into `bench.json`, draws `bench.md` and `bench.png` anew, and gives the text."""
    path = folder / "bench.json"
    sets = json.loads(path.read_text(encoding="utf-8"))["sets"] if path.is_file() else []
    identity = [measured["name"], measured["device"]]
    sets = [of for of in sets if [of["name"], of["device"]] != identity] + [dict(measured)]
    values = {"sets": sets}
    path.write_text(json.dumps(values, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    text = bench_markdown(values)
    (folder / "bench.md").write_text(text, encoding="utf-8")
    (folder / "bench.png").write_bytes(draw(values))
    return text


def bench_markdown(values: Mapping[str, Any]) -> str:
    lines = [
        f"<!-- Written by `{BY}`; do not edit. -->",
        "",
        "# Against timm's own loop",
        "",
        "Each command whole, imports included, in turn; ratios are those within a round: median (least to "
        "greatest). Before them a round that does not count: it fills the disk's cache and ours, and makes "
        "the trial that `--tune` keeps.",
        "",
        '"Of the limit" is against a machine that decodes each photograph once and multiplies matrices, each '
        "as fast as it did alone in the same run, and does nothing else. Waited: the share of a pass in "
        "which our networks had no images. Passes alone: without imports. Decided: the class, and whether "
        "the label is among the first five.",
    ]
    for of in values["sets"]:
        limits, environment = of["limits"], of["environment"]
        lines += ["", f"## {of['name']}, {of['device']}", ""]
        copies = of.get("copies", 1)
        told = "" if copies == 1 else f", {copies} files of each of {of['images'] // copies:,}"
        lines.append(f"{', '.join(of['models'])}: {of['images']:,} photographs{told}.")
        if not of["name"].startswith("lite"):
            lines.append("Random weights: what they decide means nothing; how fast they are does.")
        lines.append(
            f"{of['date']}: {of['processor']}; torch {environment['torch']}, timm {environment['timm']}; "
            f"batches of {of['batch_size']}, {of['workers']} loader processes, {of['rounds']} rounds. "
            f"Limits: {limits['float32_gmacs_per_second']:,.0f} GMACs a second in matrix products of fp32, "
            f"{limits['bfloat16_gmacs_per_second']:,.0f} of bf16; {limits['decoded_per_second']:,.0f} "
            "photographs a second."
        )
        lines += [
            "",
            "| | times as fast | passes alone | images/s | CPU s | peak MiB a process | of the limit "
            "| waited for images | decided as timm's |",
            "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
        ]
        lines += [_line(side, took) for side, took in of["sides"].items()]
    return "\n".join(lines) + "\n"


def _line(side: str, took: Mapping[str, Any]) -> str:
    waited = [share for share in took["waited"] if share is not None]
    return (
        f"| {side} | {_spread(took['ratios'])} | {_spread(took.get('pass_ratios', ()))} "
        f"| {took['images_per_second']:.1f} | {median(took['cpu_seconds']):.0f} | {took['peak_mib']:,} "
        f"| {100 * took['of_the_limit']:.0f} % | {f'{100 * median(waited):.1f} %' if waited else ''} "
        f"| {100 * took['decided_alike']:.2f} % |"
    )


def _spread(ratios: Sequence[float]) -> str:
    """Empty where it was not measured."""
    if not ratios:
        return ""
    return f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def draw(values: Mapping[str, Any]) -> bytes:
    """How many times as fast as timm's loop: a bar a way, its rounds as dots."""
    from io import BytesIO

    import matplotlib.style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from repro.reporting.picture import STYLE

    bars = [
        (f"{of['name']}, {of['device']}: {side}", took["ratios"])
        for of in values["sets"]
        for side, took in of["sides"].items()
        if not side.startswith("timm")
    ]
    file = BytesIO()
    with matplotlib.style.context(["default", STYLE]):
        figure = Figure(figsize=(9, 1 + 0.32 * len(bars)), dpi=110, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        places = list(range(len(bars)))
        axes.barh(places, [median(ratios) for _, ratios in bars], color="#E69F00", height=0.62)
        for place, (_, ratios) in zip(places, bars, strict=True):
            axes.plot(ratios, [place] * len(ratios), "o", color="#222222", markersize=3)
        axes.axvline(1, color="#555555", linewidth=1)
        axes.set_yticks(places, [name for name, _ in bars])
        axes.invert_yaxis()
        axes.set_xlabel("times as fast as timm's own loop, the same photographs and cores")
        figure.savefig(file, format="png", metadata={"Software": f"Written by `{BY}`; do not edit."})
    return file.getvalue()
