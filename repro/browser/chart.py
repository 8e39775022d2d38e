"""Accuracy against cost on a page, by Vega-Lite, which a browser draws in half of plotly's time.

The page of `repro plot --format html` is plotly's: one file, without a server.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from repro.analysis.tradeoff import COST_NAMES, Point, Tradeoff
from repro.reporting.interactive import TICKS, tell
from repro.reporting.marks import mark_of
from repro.reporting.table import literal

HEIGHT_PX = 420


def show_tradeoff(tradeoff: Tradeoff) -> None:
    """Printed points hollow, with their Pareto front; measured ones filled, with their interval."""
    st.vega_lite_chart(to_spec(tradeoff), key="tradeoff", theme="streamlit")
    told = [f"Hollow: {tradeoff.origin}"]
    told += ["Filled, with its 95 % interval: measured"] if tradeoff.measured else []
    told += [f"Line: the Pareto front of what is {tradeoff.origin}"] if tradeoff.front else []
    st.caption(". ".join([*told, "Point at a model to read all that is known of it."]))


def to_spec(tradeoff: Tradeoff) -> dict[str, Any]:
    """The chart as Vega-Lite; names from outside are its data and nothing else."""
    layers = [_front(tradeoff)] if tradeoff.front else []
    layers += [_points(tradeoff.printed, tradeoff, filled=False)] if tradeoff.printed else []
    if tradeoff.measured:
        layers += [_intervals(tradeoff), _points(tradeoff.measured, tradeoff, filled=True)]
    return {"height": HEIGHT_PX, "layer": layers}


def _front(tradeoff: Tradeoff) -> dict[str, Any]:
    return {
        "data": {"values": [_place(point) for point in tradeoff.front]},
        "mark": {"type": "line", "interpolate": "step-after", "color": "#999999", "strokeWidth": 1.5},
        "encoding": _axes(tradeoff),
    }


def _points(points: Sequence[Point], tradeoff: Tradeoff, *, filled: bool) -> dict[str, Any]:
    told = [tell(point) for point in points]
    titles = list(dict.fromkeys(title for of_point in told for title in of_point))
    values = [
        _place(point) | {f"told{titles.index(title)}": literal(text) for title, text in of_point.items()}
        for point, of_point in zip(points, told, strict=True)
    ]
    tooltip = [{"field": f"told{n}", "title": title, "type": "nominal"} for n, title in enumerate(titles)]
    mixers = [literal(mixer) for mixer in tradeoff.mixers]
    marks = [mark_of(mixer) for mixer in tradeoff.mixers]
    return {
        "data": {"values": values},
        "mark": {
            "type": "point",
            "filled": filled,
            "size": 70 if filled else 110,
            "strokeWidth": 2,
            "opacity": 1,
        },
        "encoding": _axes(tradeoff)
        | {
            "color": _by_mixer(mixers, [_seen(mark.colour) for mark in marks]),
            "shape": _by_mixer(mixers, [mark.vega for mark in marks]),
            "tooltip": tooltip,
            "description": tooltip[0],
        },
    }


def _intervals(tradeoff: Tradeoff) -> dict[str, Any]:
    values = []
    for point in tradeoff.measured:
        low, high = point.row.interval or (float(point.top1_pct) / 100,) * 2
        colour = _seen(mark_of(point.row.token_mixer).colour)
        values.append(_place(point) | {"top1": 100 * low, "high": 100 * high, "colour": colour})
    return {
        "data": {"values": values},
        "mark": {"type": "rule", "strokeWidth": 1.5},
        "encoding": _axes(tradeoff)
        | {"y2": {"field": "high"}, "color": {"field": "colour", "type": "nominal", "scale": None}},
    }


def _seen(colour: str) -> str:
    """Black is not seen on a dark page."""
    return colour if colour != "#000000" else "#808080"


def _by_mixer(mixers: list[str], drawn: list[str]) -> dict[str, Any]:
    return {
        "field": "mixer",
        "type": "nominal",
        "title": "token mixer",
        "scale": {"domain": mixers, "range": drawn},
    }


def _axes(tradeoff: Tradeoff) -> dict[str, Any]:
    costs = [float(point.cost) for point in (*tradeoff.printed, *tradeoff.measured)]
    low, high = min(costs), max(costs)
    cost: dict[str, Any] = {"field": "cost", "type": "quantitative", "title": COST_NAMES[tradeoff.against]}
    if high > 4 * low:
        ticks = [tick for tick in TICKS if low / 1.15 <= tick <= 1.15 * high]
        cost |= {
            "scale": {"type": "log", "domain": [low / 1.15, 1.15 * high], "nice": False},
            "axis": {"values": ticks, "format": "~g"},
        }
    else:
        cost["scale"] = {"zero": False}
    accuracy = {"field": "top1", "type": "quantitative", "title": "Top-1 (%)", "scale": {"zero": False}}
    return {"x": cost, "y": accuracy}


def _place(point: Point) -> dict[str, Any]:
    return {
        "cost": float(point.cost),
        "top1": float(point.top1_pct),
        "mixer": literal(point.row.token_mixer),
    }
