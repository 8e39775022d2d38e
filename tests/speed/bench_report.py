"""The benchmark's numbers as JSON, as a table and as a picture."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BY = "make bench"


def keep(measured: Mapping[str, Any], folder: Path) -> str:
    """Puts a set of models into `bench.json`, draws `bench.md` and `bench.png` anew, and gives the text.

    It takes the place of the same set measured before on such a processor; other machines' stand beside it.
    """
    path = folder / "bench.json"
    sets = json.loads(path.read_text(encoding="utf-8"))["sets"] if path.is_file() else []
    sets = [of for of in sets if _identity(of) != _identity(measured)] + [dict(measured)]
    sets.sort(key=_identity)
    values = {"sets": sets}
    path.write_text(json.dumps(values, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    text = bench_markdown(values)
    (folder / "bench.md").write_text(text, encoding="utf-8")
    (folder / "bench.png").write_bytes(draw(values))
    return text


def _identity(of: Mapping[str, Any]) -> tuple[str, str, str]:
    return of["device"], of["processor"], of["name"]


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
        "which our networks had no images. Passes alone: without imports. Images/s: an image counts once for "
        "each model. Decided: the class, and whether the label is among the first five.",
    ]
    processor = ""
    for of in values["sets"]:
        limits, environment = of["limits"], of["environment"]
        if of["processor"] != processor:
            processor = of["processor"]
            lines += ["", f"## {processor}"]
        lines += ["", f"### {of['name']}, {of['device']}", ""]
        copies = of.get("copies", 1)
        told = "" if copies == 1 else f", {copies} files of each of {of['images'] // copies:,}"
        lines.append(f"{', '.join(of['models'])}: {of['images']:,} photographs{told}.")
        if not of["name"].startswith("lite"):
            lines.append("Random weights: what they decide means nothing; how fast they are does.")
        lines.append(
            f"{of['date']}: torch {environment['torch']}, timm {environment['timm']}; "
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
    alike = took["decided_alike"]
    return (
        f"| {side} | {_spread(took['ratios'])} | {_spread(took.get('pass_ratios', ()))} "
        f"| {took['images_per_second']:.1f} | {median(took['cpu_seconds']):.0f} | {took['peak_mib']:,} "
        f"| {100 * took['of_the_limit']:.0f} % | {f'{100 * median(waited):.1f} %' if waited else ''} "
        f"| {'' if alike is None else f'{100 * alike:.2f} %'} |"
    )


def _spread(ratios: Sequence[float]) -> str:
    """Empty where it was not measured."""
    if not ratios:
        return ""
    return f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def draw(values: Mapping[str, Any]) -> bytes:
    """How many times as fast as timm's loop: a bar a way, its rounds as dots; a panel a processor."""
    from io import BytesIO

    import matplotlib.style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from repro.reporting.picture import STYLE

    panels: dict[str, list[tuple[str, Sequence[float]]]] = {}
    for of in values["sets"]:
        panels.setdefault(of["processor"], []).extend(
            (f"{of['name']}, {of['device']}: {side}", took["ratios"])
            for side, took in of["sides"].items()
            if not side.startswith("timm")
        )
    file, heights = BytesIO(), [1 + len(bars) for bars in panels.values()]
    with matplotlib.style.context(["default", STYLE]):
        figure = Figure(figsize=(9, 1 + 0.32 * sum(heights)), dpi=110, layout="constrained")
        FigureCanvasAgg(figure)
        all_axes = figure.subplots(len(panels), sharex=True, squeeze=False, height_ratios=heights)[:, 0]
        for axes, (processor, bars) in zip(all_axes, panels.items(), strict=True):
            axes.set_title(processor)
            _draw_bars(axes, bars)
        axes.set_xlabel("times as fast as timm's own loop, the same photographs and cores")
        figure.savefig(file, format="png", metadata={"Software": f"Written by `{BY}`; do not edit."})
    return file.getvalue()


def _draw_bars(axes: Axes, bars: Sequence[tuple[str, Sequence[float]]]) -> None:
    places = list(range(len(bars)))
    axes.barh(places, [median(ratios) for _, ratios in bars], color="#E69F00", height=0.62)
    for place, (_, ratios) in zip(places, bars, strict=True):
        axes.plot(ratios, [place] * len(ratios), "o", color="#222222", markersize=3)
    axes.axvline(1, color="#555555", linewidth=1)
    axes.set_yticks(places, [name for name, _ in bars])
    axes.invert_yaxis()
