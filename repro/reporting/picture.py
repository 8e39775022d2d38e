"""Accuracy against cost as a picture: SVG and PNG of the same bytes each time."""

from __future__ import annotations

from io import BytesIO
from itertools import pairwise
from math import ceil
from textwrap import wrap
from typing import TYPE_CHECKING, Any
from warnings import catch_warnings, filterwarnings

from repro.analysis.tradeoff import COST_NAMES, Point, Tradeoff
from repro.reporting.marks import mark_of
from repro.reporting.table import literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STYLE: dict[str, Any] = {
    "text.parse_math": False,  # a `$` in a name is a dollar
    "svg.hashsalt": "repro",  # else the ids in an SVG are random
    "svg.fonttype": "path",
    "font.family": ["DejaVu Sans"],  # matplotlib's own, there on every machine
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e8e8e8",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "path.simplify": False,
}

_FRONT = "#999999"

_WIDTH_INCHES = 10.0
_PIXELS_PER_INCH = 150
_LABEL_POINTS = 7.5
_LEGEND_COLUMNS = 6
_FAR_PIXELS = 40

_TICKS = (
    0.1,
    0.2,
    0.3,
    0.5,
    0.7,
    1,
    1.5,
    2,
    3,
    4,
    5,
    7,
    10,
    15,
    20,
    30,
    40,
    50,
    70,
    100,
    150,
    200,
    300,
    500,
    700,
    1000,
)


def draw_svg(tradeoff: Tradeoff, made_by: str) -> bytes:
    """`made_by` stands in the file's first lines."""
    head, declaration, rest = _draw(tradeoff, "svg", {"Date": None, "Creator": None}).partition(b"?>\n")
    return head + declaration + f"<!-- Written by `{made_by}`; do not edit. -->\n".encode() + rest


def draw_png(tradeoff: Tradeoff, made_by: str) -> bytes:
    """`made_by` stands in the file's first lines, as its `Software`."""
    return _draw(tradeoff, "png", {"Software": f"Written by `{made_by}`; do not edit."})


def _draw(tradeoff: Tradeoff, form: str, metadata: dict[str, str | None]) -> bytes:
    import matplotlib.style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    file = BytesIO()
    with matplotlib.style.context(["default", STYLE]), catch_warnings():
        filterwarnings("ignore", message="Glyph .* missing")  # names from outside are in any script
        figure = Figure(figsize=(_WIDTH_INCHES, _height_inches(tradeoff)), dpi=_PIXELS_PER_INCH)
        FigureCanvasAgg(figure)
        _fill(figure, tradeoff)
        figure.savefig(file, format=form, metadata=metadata)
    return file.getvalue()


def _height_inches(tradeoff: Tradeoff) -> float:
    """Higher where there is more to label."""
    return 5.2 + 0.06 * max(0, len(tradeoff.printed) + len(tradeoff.measured) - 5)


def _fill(figure: Figure, tradeoff: Tradeoff) -> None:
    height = _height_inches(tradeoff)
    notes = [line for note in tradeoff.notes for line in wrap(literal(note), 150)]
    handles = _legend(tradeoff)
    foot, head = 0.62 + 0.15 * len(notes), 0.62 + 0.18 * ceil(len(handles) / _LEGEND_COLUMNS)
    axes = figure.add_axes((0.07, foot / height, 0.915, 1 - (foot + head) / height))
    top = 1 - 0.18 / height
    figure.text(0.07, top, _title(tradeoff), va="top", fontsize=11, fontweight="bold")
    for place, note in enumerate(notes):
        figure.text(0.07, (0.10 + 0.15 * (len(notes) - 1 - place)) / height, note, fontsize=7, va="bottom")
    _scale(axes, tradeoff)
    _draw_front(axes, tradeoff)
    _draw_points(axes, tradeoff)
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0.062, 1 - 0.42 / height),
        ncols=_LEGEND_COLUMNS,
        columnspacing=1.4,
        handletextpad=0.5,
        borderaxespad=0,
        fontsize=8,
    )
    _label(axes, tradeoff)


def _title(tradeoff: Tradeoff) -> str:
    comparison = tradeoff.comparison
    return literal(f"{comparison.table.caption}, protocol {comparison.protocol_name}")


def _scale(axes: Axes, tradeoff: Tradeoff) -> None:
    """A logarithmic cost wherever the costs span much; limits with room for the labels at the edges."""
    costs = [float(point.cost) for point in (*tradeoff.printed, *tradeoff.measured)]
    accuracies = [float(point.top1_pct) for point in tradeoff.printed]
    accuracies += [end for point in tradeoff.measured for end in _interval_pct(point)]
    low, high = min(costs), max(costs)
    if high > 4 * low:
        axes.set_xscale("log")
        axes.set_xlim(low / 1.15, high * 1.22)
        axes.xaxis.set_major_locator(_fixed([tick for tick in _TICKS if low / 1.15 <= tick <= high * 1.22]))
        axes.xaxis.set_minor_locator(_fixed([]))
        axes.xaxis.set_major_formatter(lambda value, _place: f"{value:g}")
    else:
        room = 0.12 * (high - low) or 0.1 * high
        axes.set_xlim(low - room, high + 1.5 * room)
    lowest, highest = min(accuracies), max(accuracies)
    room = 0.06 * (highest - lowest) or 0.5
    axes.set_ylim(lowest - room, highest + room)
    axes.set_xlabel(COST_NAMES[tradeoff.against])
    axes.set_ylabel("Top-1 (%)")


def _fixed(places: list[float]) -> Any:
    from matplotlib.ticker import FixedLocator

    return FixedLocator(places)


def _draw_front(axes: Axes, tradeoff: Tradeoff) -> None:
    if corners := _corners(axes, tradeoff):
        costs, accuracies = zip(*corners, strict=True)
        axes.plot(costs, accuracies, drawstyle="steps-post", color=_FRONT, linewidth=1, zorder=1)


def _corners(axes: Axes, tradeoff: Tradeoff) -> list[tuple[float, float]]:
    """Where the front's steps begin, and where the last one leaves the picture."""
    corners = [(float(point.cost), float(point.top1_pct)) for point in tradeoff.front]
    return [*corners, (axes.get_xlim()[1], corners[-1][1])] if corners else []


def _draw_points(axes: Axes, tradeoff: Tradeoff) -> None:
    for point in tradeoff.printed:
        axes.plot([float(point.cost)], [float(point.top1_pct)], **_marker(point.row.token_mixer, False))
    for point in tradeoff.measured:
        low, high = _interval_pct(point)
        colour = mark_of(point.row.token_mixer).colour
        axes.vlines(float(point.cost), low, high, colors=colour, linewidth=1.2, zorder=2)
        axes.plot([float(point.cost)], [float(point.top1_pct)], **_marker(point.row.token_mixer, True))


def _marker(token_mixer: str, filled: bool) -> dict[str, Any]:
    mark = mark_of(token_mixer)
    return {
        "marker": mark.matplotlib,
        "markersize": 4.2 if filled else 6.5,  # so that a measured point lies within its printed one
        "markerfacecolor": mark.colour if filled else "white",
        "markeredgecolor": mark.colour,
        "markeredgewidth": 1.4,
        "linestyle": "none",
        "zorder": 3,
    }


def _interval_pct(point: Point) -> tuple[float, float]:
    """Of a measured point."""
    low, high = point.row.interval or (float("nan"), float("nan"))
    return 100 * low, 100 * high


def _legend(tradeoff: Tradeoff) -> list[Any]:
    from matplotlib.lines import Line2D

    mixers = [Line2D([], [], label=literal(mixer), **_marker(mixer, False)) for mixer in tradeoff.mixers]
    kinds = []
    for origin, points, filled in (
        (tradeoff.origin, tradeoff.printed, False),
        ("measured, 95 % interval", tradeoff.measured, True),
    ):
        if points:
            grey = _marker("pooling", filled) | {"markeredgecolor": "#555555"}
            grey["markerfacecolor"] = "#555555" if filled else "white"
            kinds.append(Line2D([], [], label=origin, **grey))
    if tradeoff.front:
        kinds.append(Line2D([], [], label=f"Pareto front, {tradeoff.origin}", color=_FRONT, linewidth=1))
    return [*mixers, *kinds]


def _labelled(axes: Axes, tradeoff: Tradeoff) -> list[Point]:
    """The points that carry their model's name: the printed ones, and the measured ones far from theirs."""
    import numpy as np

    def place(point: Point) -> Any:
        return axes.transData.transform((float(point.cost), float(point.top1_pct)))

    printed = {point.row.model: place(point) for point in tradeoff.printed}
    return [
        *tradeoff.printed,
        *(
            point
            for point in tradeoff.measured
            if point.row.model not in printed
            or np.hypot(*(place(point) - printed[point.row.model])) > _FAR_PIXELS
        ),
    ]


def _label(axes: Axes, tradeoff: Tradeoff) -> None:
    """Each model's name near its point, with a thin line to it where it could not stand close."""
    import numpy as np

    from repro.reporting.labels import place_labels

    points = _labelled(axes, tradeoff)
    names = [literal(point.row.label or point.row.model) for point in points]
    to_pixels = axes.transData.transform
    at = to_pixels([(float(point.cost), float(point.top1_pct)) for point in points])
    # Tried at any place, for their size.
    texts = [axes.text(0, 0, name, fontsize=_LABEL_POINTS, transform=None) for name in names]
    extents = [text.get_window_extent() for text in texts]
    sizes = np.array([(extent.width + 2, extent.height + 1) for extent in extents])
    frame = axes.get_window_extent()
    bounds = np.array([[frame.x0, frame.y0, frame.x1, frame.y1]])
    boxes = place_labels(at, sizes, np.array(_obstacles(axes, tradeoff)), bounds)
    to_data = axes.transData.inverted().transform
    for text, box, (x, y) in zip(texts, boxes, at, strict=True):
        text.remove()
        left, bottom = to_data((box[0] + 1, box[1]))
        axes.text(
            left, bottom, text.get_text(), fontsize=_LABEL_POINTS, va="bottom", color="#222222", zorder=4
        )
        end = (min(max(x, box[0]), box[2]), min(max(y, box[1]), box[3]))
        if np.hypot(end[0] - x, end[1] - y) > 14:
            (x0, y0), (x1, y1) = to_data((x, y)), to_data(end)
            axes.plot([x0, x1], [y0, y1], color="#aaaaaa", linewidth=0.7, zorder=1.5)


def _obstacles(axes: Axes, tradeoff: Tradeoff) -> list[tuple[float, float, float, float]]:
    """What no label should cover, as boxes in pixels: markers, intervals, the steps of the front."""
    to_pixels = axes.transData.transform
    boxes = []
    for point in (*tradeoff.printed, *tradeoff.measured):
        x, y = to_pixels((float(point.cost), float(point.top1_pct)))
        boxes.append((x - 8, y - 8, x + 8, y + 8))
    for point in tradeoff.measured:
        low, high = _interval_pct(point)
        (x, bottom), (_, top) = to_pixels([(float(point.cost), float(low)), (float(point.cost), float(high))])
        boxes.append((x - 2, bottom, x + 2, top))
    for (x0, y0), (x1, y1) in pairwise(to_pixels(corner) for corner in _corners(axes, tradeoff)):
        boxes += [(x0, y0 - 1, x1, y0 + 1), (x1 - 1, y0, x1 + 1, y1)]
    return boxes
