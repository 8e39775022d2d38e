"""The overview's chart says of each model what the comparison does, and takes no name for anything else."""

from __future__ import annotations

from typing import Any

from repro.browser.chart import to_spec
from repro.reporting.marks import MARKS
from tests.reporting.test_picture import HOSTILE, laid


def layers(spec: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """By what they draw; points are hollow or filled."""
    kinds = {}
    for layer in spec["layer"]:
        mark = layer["mark"]
        kinds[("filled" if mark["filled"] else "hollow") if mark["type"] == "point" else mark["type"]] = layer
    return kinds


def test_a_measured_point_stands_filled_with_its_interval_among_the_printed_ones() -> None:
    tradeoff = laid("poolformer_s24")
    found = layers(to_spec(tradeoff))
    (measured,) = tradeoff.measured
    low, high = measured.row.interval or (0, 0)
    assert len(found["hollow"]["data"]["values"]) == len(tradeoff.printed) == 3
    (point,) = found["filled"]["data"]["values"]
    assert (point["cost"], point["top1"]) == (float(measured.cost), float(measured.top1_pct))
    (interval,) = found["rule"]["data"]["values"]
    assert (interval["top1"], interval["high"]) == (100 * low, 100 * high)
    assert low < float(measured.top1_pct) / 100 < high
    shape, colour = (found["filled"]["encoding"][name]["scale"] for name in ("shape", "color"))
    drawn = dict(zip(shape["domain"], zip(shape["range"], colour["range"], strict=True), strict=True))
    assert drawn["pooling"] == (MARKS["pooling"].vega, MARKS["pooling"].colour)


def test_what_is_told_of_a_model_is_literal() -> None:
    found = layers(to_spec(laid("poolformer_s24", label=HOSTILE)))
    (named,) = (field for field in found["filled"]["encoding"]["tooltip"] if field["title"] == "Model")
    (point,) = found["filled"]["data"]["values"]
    assert point[named["field"]] == r"$\frac{1}{0}$ <script>alert(1)</script> -- & \u202e %{x} 模型"


def test_without_a_measured_model_nothing_is_filled() -> None:
    assert set(layers(to_spec(laid()))) == {"line", "hollow"}
