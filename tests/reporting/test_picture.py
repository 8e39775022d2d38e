"""Pictures: same bytes, names shown literally, labels that can be read, one file that loads nothing."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from repro.analysis.compare import TOKEN_MIXERS, compare_table
from repro.analysis.measured import catalogue_counts
from repro.analysis.tradeoff import Tradeoff, lay_tradeoff
from repro.catalogue.tables import find_table
from repro.exceptions import UsageError
from repro.reporting.interactive import draw_html
from repro.reporting.labels import covered, place_labels
from repro.reporting.marks import MARKS, mark_of
from repro.reporting.picture import draw_png, draw_svg
from repro.reporting.pictures import PICTURES, form_of
from tests.analysis.records import run_of

HOSTILE = "$\\frac{1}{0}$ <script>alert(1)</script> -- & \u202e %{x} 模型"


def laid(*runs: str, label: str = "") -> Tradeoff:
    """Slide 12, some of its models measured; `label` stands in the place of every name."""
    records = [run_of(name, 40_100) for name in runs]
    comparison = compare_table(find_table("slide12"), records, catalogue_counts(), "authors")
    rows = tuple(replace(row, label=label or row.label) for row in comparison.rows)
    return lay_tradeoff(replace(comparison, rows=rows), "macs")


def markers(svg: bytes) -> list[tuple[str, str]]:
    """Fill and edge of each marker drawn at a point of the axes."""
    axes = next(e for e in ElementTree.fromstring(svg).iter() if e.get("id") == "axes_1")
    styles = [e.get("style", "") for e in axes.iter("{http://www.w3.org/2000/svg}use")]
    found = [re.match(r"fill: (#\w+); stroke: (#\w+); stroke-width: 1.4", style) for style in styles]
    return [(match[1], match[2]) for match in found if match]


@pytest.mark.parametrize("ending", PICTURES)
def test_the_same_tradeoff_gives_the_same_bytes_and_says_who_wrote_it(ending: str) -> None:
    draw = PICTURES[ending]
    once = draw(laid("poolformer_s24"), "repro plot")
    assert once == draw(laid("poolformer_s24"), "repro plot")
    assert b"Written by `repro plot`" in once[:200]
    assert b"<dc:date>" not in once


def test_printed_points_are_hollow_and_measured_ones_filled_in_the_colour_of_their_mixer() -> None:
    pooling = MARKS["pooling"].colour.lower()
    found = markers(draw_svg(laid("poolformer_s24"), ""))
    assert sorted(fill for fill, _ in found) == sorted([*["#ffffff"] * 3, pooling])
    assert len({edge for _, edge in found}) == 3
    assert (pooling, pooling) in found


def test_every_mixer_has_a_colour_and_a_marker_of_its_own() -> None:
    marks = [mark_of(mixer) for mixer in TOKEN_MIXERS]
    for kind in ("colour", "matplotlib", "plotly", "vega"):
        assert len({getattr(mark, kind) for mark in marks}) == len(TOKEN_MIXERS)


def test_a_png_is_a_picture_of_the_width_it_says() -> None:
    image = Image.open(BytesIO(draw_png(laid(), "")))
    assert image.format == "PNG"
    assert image.width == 1500


@pytest.mark.parametrize("ending", PICTURES)
def test_no_name_is_markup(ending: str) -> None:
    picture = PICTURES[ending](laid("poolformer_s24", label=HOSTILE), "")
    assert b"<script>alert" not in picture
    if ending == ".svg":
        ElementTree.fromstring(picture)


def figure_in(page: bytes) -> dict[str, Any]:
    """What the page gives to plotly."""
    arguments = page.decode().rpartition("Plotly.newPlot(")[2].partition('"accuracy",')[2]
    decoder = json.JSONDecoder()
    data, end = decoder.raw_decode(arguments.lstrip())
    layout, _ = decoder.raw_decode(arguments.lstrip()[end:].lstrip(", \n"))
    return {"data": data, "layout": layout}


def test_the_page_holds_a_valid_figure_and_shows_names_literally() -> None:
    import plotly.graph_objects

    figure = figure_in(draw_html(laid("poolformer_s24", label=HOSTILE), ""))
    plotly.graph_objects.Figure(figure)  # refuses what plotly does not know
    told = [text for trace in figure["data"] for text in trace.get("hovertext", ())]
    assert len(told) == 4
    shown = r"&#36;\frac{1}{0}&#36; &lt;script&gt;alert(1)&lt;/script&gt; -- &amp; \u202e %{x} 模型"
    assert all(text.startswith(f"{shown}<br>") for text in told)


def test_a_dollar_is_no_formula() -> None:
    """A formula would be set in italics, and be narrower."""
    assert draw_svg(laid(label="$x$"), "") != draw_svg(laid(label="x"), "")
    draw_svg(laid(label=r"$\undefined$"), "")  # as a formula it could not even be read


def test_the_page_loads_nothing_and_tells_what_is_known() -> None:
    page = draw_html(laid("poolformer_s24"), "repro plot").decode()
    assert not re.search(r"<(script|link|img|iframe)[^>]+(src|href)=", page)
    (told,) = [
        text
        for trace in figure_in(page.encode())["data"]
        if trace["name"] == "pooling, measured"
        for text in trace["hovertext"]
    ]
    assert told.split("<br>") == [
        "PoolFormer-S24",
        "Top-1: 80.3 % printed, 80.200 % measured",
        "MACs: 3.6 G printed, 3.413 G counted",
        "Params: 21 M printed, 21.389 M counted",
        "Images: 50,000",
        "95 % interval: 79.85–80.55",
        "Verdict: REPRODUCED: within 0.10 points",
        "Notes: the paper's first version printed 3.6 G",
    ]


def test_no_label_of_the_papers_table_covers_another_or_a_marker() -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from repro.reporting import picture

    for against in ("macs", "params"):
        comparison = compare_table(find_table("paper"), [], catalogue_counts(), "authors")
        tradeoff = lay_tradeoff(comparison, against)  # type: ignore[arg-type]
        figure = Figure(figsize=(10, picture._height_inches(tradeoff)), dpi=150)
        FigureCanvasAgg(figure)
        picture._fill(figure, tradeoff)
        (axes,) = figure.axes
        extents = [text.get_window_extent() for text in axes.texts]
        boxes = np.array([(e.x0, e.y0, e.x1, e.y1) for e in extents])
        assert len(boxes) == 27
        own = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        assert np.allclose(covered(boxes, boxes), own)
        at = axes.transData.transform([(float(p.cost), float(p.top1_pct)) for p in tradeoff.printed])
        centres = np.concatenate([at - 3, at + 3], axis=1)
        assert covered(boxes, centres).max() == 0


@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(100, 900), st.integers(100, 500)), min_size=1, max_size=6, unique=True))
def test_few_labels_always_find_room(places: list[tuple[int, int]]) -> None:
    points = np.array(places, dtype=float)
    sizes = np.full((len(points), 2), (60.0, 14.0))
    markers = np.concatenate([points - 5, points + 5], axis=1)
    frame = np.array([[0.0, 0.0, 1000.0, 600.0]])
    boxes = place_labels(points, sizes, markers, frame)
    assert np.allclose(covered(boxes, boxes), 60 * 14, atol=8)
    assert np.allclose(covered(boxes, frame), 60 * 14)
    assert np.allclose(boxes[:, 2:] - boxes[:, :2], sizes)


def test_the_ending_decides() -> None:
    assert form_of(Path("a.PNG")) is draw_png
    with pytest.raises(UsageError, match=r"a.pdf ends in '.pdf'; a picture's is one of .svg, .png, .html"):
        form_of(Path("a.pdf"))
    with pytest.raises(UsageError, match=r"picture has no ending; a picture's is one of"):
        form_of(Path("picture"))


def test_one_point_alone_can_be_drawn() -> None:
    tradeoff = laid()
    point = replace(tradeoff.printed[0], cost=Decimal(5), top1_pct=Decimal(80))
    alone = replace(tradeoff, printed=(point,), front=(point,))
    for draw in PICTURES.values():
        assert draw(alone, "")
    unprinted = replace(laid("deit_s"), printed=(), front=())
    for draw in PICTURES.values():
        assert draw(unprinted, "")


def test_a_measured_point_far_from_its_printed_one_carries_the_name_too() -> None:
    def names(*runs: str) -> int:
        rows = tuple(row for row in find_table("paper").rows if row.model in ("resmlp_b24", "deit_s"))
        table = replace(find_table("paper"), rows=rows)
        measured = [run_of(run, 40_500) for run in runs]
        comparison = compare_table(table, measured, catalogue_counts(), "authors")
        return draw_svg(lay_tradeoff(comparison, "macs"), "").count(b"<!-- ResMLP-B24 -->")

    assert names() == 1
    assert names("resmlp_b24") == 2  # patch 8 instead of 16: four times the MACs
