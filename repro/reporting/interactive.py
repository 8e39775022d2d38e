"""Accuracy against cost as a page that answers the pointer: one file that loads nothing."""

from __future__ import annotations

from html import escape
from typing import Any

from repro.analysis.tradeoff import COST_NAMES, Point, Tradeoff
from repro.reporting.figures import percent_interval
from repro.reporting.marks import mark_of
from repro.reporting.table import literal

TICKS = [digit * 10**power for power in range(-2, 4) for digit in (1, 2, 5)]
"""Of a cost (G or M) on a logarithmic axis, in full: plotly's own leave out the powers of ten."""

_AXIS = {"gridcolor": "#e8e8e8", "linecolor": "#444444", "ticks": "outside", "zeroline": False}


def draw_html(tradeoff: Tradeoff, made_by: str) -> bytes:
    """`made_by` stands in the file's first lines."""
    from plotly.io import to_html

    page: str = to_html(
        {"data": _traces(tradeoff), "layout": _layout(tradeoff)},
        validate=False,
        include_plotlyjs=True,
        div_id="accuracy",  # else random
        config={"displaylogo": False, "responsive": True},
        default_height="92vh",
    )
    title = escape(f"{tradeoff.comparison.table.caption}, accuracy against {tradeoff.against}")
    mark = f"<!-- Written by `{made_by}`; do not edit. -->"
    return page.replace("<head>", f"<head>{mark}<title>{title}</title>", 1).encode()


def _traces(tradeoff: Tradeoff) -> list[dict[str, Any]]:
    traces = [_front(tradeoff)] if tradeoff.front else []
    for mixer in tradeoff.mixers:
        for points, filled in ((tradeoff.printed, False), (tradeoff.measured, True)):
            chosen = [point for point in points if point.row.token_mixer == mixer]
            if chosen:
                origin = "measured" if filled else tradeoff.origin
                traces.append(_points(chosen, mixer, f"{mixer}, {origin}", filled=filled))
    return traces


def _front(tradeoff: Tradeoff) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": f"Pareto front, {tradeoff.origin}",
        "x": [float(point.cost) for point in tradeoff.front],
        "y": [float(point.top1_pct) for point in tradeoff.front],
        "line": {"shape": "hv", "color": "#999999", "width": 1.5},
        "hoverinfo": "skip",
    }


def _points(points: list[Point], mixer: str, name: str, *, filled: bool) -> dict[str, Any]:
    mark = mark_of(mixer)
    trace: dict[str, Any] = {
        "type": "scatter",
        "mode": "markers",
        "name": plotly_text(name),
        "x": [float(point.cost) for point in points],
        "y": [float(point.top1_pct) for point in points],
        "hoverinfo": "text",
        "hovertext": [_hover(point) for point in points],
        "marker": {
            "symbol": mark.plotly if filled else f"{mark.plotly}-open",
            "color": mark.colour,
            "size": 10,
            "line": {"width": 2, "color": mark.colour},
        },
    }
    if filled:
        ends = [point.row.interval or (0.0, 0.0) for point in points]
        values = [float(point.top1_pct) for point in points]
        trace["error_y"] = {
            "type": "data",
            "symmetric": False,
            "array": [100 * high - value for (_, high), value in zip(ends, values, strict=True)],
            "arrayminus": [value - 100 * low for (low, _), value in zip(ends, values, strict=True)],
        }
    return trace


def _hover(point: Point) -> str:
    model, *others = tell(point).items()
    return "<br>".join(map(plotly_text, [model[1], *(f"{title}: {text}" for title, text in others)]))


def tell(point: Point) -> dict[str, str]:
    """What is known of the model, by what it is about."""
    row = point.row
    told = {"Model": row.label or row.model}
    for name, unit, figure in (
        ("Top-1", "%", row.top1_pct),
        ("MACs", "G", row.macs_g),
        ("Params", "M", row.params_m),
    ):
        how = "measured" if name == "Top-1" else "counted"
        printed = "not printed" if figure.printed is None else f"{figure.printed:f} {unit} printed"
        found = f"not {how}" if figure.measured is None else f"{figure.measured:.3f} {unit} {how}"
        told[name] = f"{printed}, {found}"
    if row.n is not None:
        told["Images"] = f"{row.n:,}"
    if row.interval:
        told["95 % interval"] = percent_interval(row.interval)
    told["Verdict"] = f"{row.verdict}: {row.reason}" if row.reason else str(row.verdict)
    return told | ({"Notes": "; ".join(row.notes)} if row.notes else {})


def _layout(tradeoff: Tradeoff) -> dict[str, Any]:
    costs = [float(point.cost) for point in (*tradeoff.printed, *tradeoff.measured)]
    comparison = tradeoff.comparison
    title = plotly_text(f"{comparison.table.caption}, protocol {comparison.protocol_name}")
    return {
        "title": {
            "text": "<br>".join([title, *(f"<sub>{plotly_text(note)}</sub>" for note in tradeoff.notes)])
        },
        "xaxis": {
            **_AXIS,
            "title": {"text": COST_NAMES[tradeoff.against]},
            "type": "log" if max(costs) > 4 * min(costs) else "linear",
            "tickvals": TICKS if max(costs) > 4 * min(costs) else None,
        },
        "yaxis": {**_AXIS, "title": {"text": "Top-1 (%)"}},
        "plot_bgcolor": "white",
        "hovermode": "closest",
        "hoverlabel": {"align": "left"},
    }


def plotly_text(text: str) -> str:
    """`text` as plotly shows it literally: neither a tag, nor an entity, nor a formula."""
    return escape(literal(text), quote=False).replace("$", "&#36;")
