"""The points of a picture, and the Pareto front of the printed ones."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.analysis.compare import Comparison, compare_table
from repro.analysis.measured import catalogue_counts
from repro.analysis.tradeoff import Point, lay_tradeoff, pareto_front
from repro.catalogue.tables import find_table
from repro.exceptions import UsageError
from repro.results.record import RunRecord
from tests.analysis.records import run_of

ROW = compare_table(find_table("slide19"), [], {}, "authors").rows[0]

PLACES = st.tuples(st.integers(1, 9), st.integers(1, 9))


def compared(table: str, runs: list[RunRecord], protocol: str = "authors") -> Comparison:
    return compare_table(find_table(table), runs, catalogue_counts(), protocol)


def at(cost: int, top1_pct: int) -> Point:
    return Point(ROW, Decimal(cost), Decimal(top1_pct))


@given(st.lists(PLACES, max_size=20))
def test_the_front_is_what_no_other_point_beats(places: list[tuple[int, int]]) -> None:
    front = [(int(point.cost), int(point.top1_pct)) for point in pareto_front([at(*p) for p in places])]
    unbeaten = {
        (cost, top1)
        for cost, top1 in places
        if not any(c <= cost and t >= top1 and (c, t) != (cost, top1) for c, t in places)
    }
    assert front == sorted(unbeaten)


def test_the_papers_front_is_poolformer_alone() -> None:
    models = [point.row.model for point in lay_tradeoff(compared("paper", []), "macs").front]
    assert models == [f"poolformer_{size}" for size in ("s12", "s24", "s36", "m36", "m48")]


def test_a_printed_point_stands_at_the_printed_cost_and_a_measured_one_at_the_counted() -> None:
    laid = lay_tradeoff(compared("slide12", [run_of("poolformer_s24", 40_147)]), "macs")
    (measured,) = laid.measured
    printed = {point.row.model: point for point in laid.printed}["poolformer_s24"]
    assert (printed.cost, printed.top1_pct) == (Decimal("3.6"), Decimal("80.3"))
    assert (measured.cost, measured.top1_pct) == (Decimal("3.412808704"), Decimal("80.294"))
    (note,) = laid.notes
    assert note.startswith("PoolFormer-S24, MACs 3.6: the first version's count, superseded")
    params = lay_tradeoff(compared("slide12", [run_of("poolformer_s24", 40_147)]), "params")
    assert (params.measured[0].cost, params.notes) == (Decimal("21.388968"), ())


def test_only_comparable_runs_are_drawn_and_the_others_are_said() -> None:
    runs = [
        run_of("poolformer_s24", 79, n=100),
        run_of("deit_s", 39_900, protocol_name="timm"),
        run_of("resmlp_s24", 39_700, invalid="2 images unreadable"),
    ]
    laid = lay_tradeoff(compared("slide12", runs), "macs")
    assert (len(laid.printed), laid.measured) == (3, ())
    assert [line.split(":")[0] for line in laid.left_out] == [
        "DeiT-S, measured",
        "ResMLP-S24, measured",
        "PoolFormer-S24, measured",
    ]
    assert "crop 0.9 instead of 0.875" in laid.left_out[0]
    assert "INVALID, 2 images unreadable" in laid.left_out[1]
    assert "100 of 50,000 images" in laid.left_out[2]


def test_a_model_that_is_not_in_the_table_is_drawn_where_it_was_measured() -> None:
    laid = lay_tradeoff(compared("slide19", [run_of("deit_s", 39_900)]), "macs")
    assert [point.row.model for point in laid.measured] == ["deit_s"]
    assert laid.mixers == ("convolution", "pooling", "attention")


def test_the_right_number_by_another_network_is_said() -> None:
    laid = lay_tradeoff(compared("paper", [run_of("resmlp_b24", 40_517)]), "macs")
    assert any(note.startswith("ResMLP-B24, measured: right number, wrong network") for note in laid.notes)


def test_a_cost_that_nobody_has_seen_printed_has_no_point() -> None:
    comparison = compared("slide12", [])
    unseen = replace(comparison.rows[0], macs_g=replace(comparison.rows[0].macs_g, printed=None))
    laid = lay_tradeoff(replace(comparison, rows=(unseen, *comparison.rows[1:])), "macs")
    assert len(laid.printed) == 2
    assert laid.left_out == ("DeiT-S, printed: its MACs (G) are not printed, or not known",)


def test_under_timms_protocol_the_points_are_timms() -> None:
    laid = lay_tradeoff(compared("slide12", [], "timm"), "macs")
    top1 = {point.row.model: point.top1_pct for point in laid.printed}
    assert (laid.origin, top1["poolformer_s24"]) == ("published by timm", Decimal("80.294"))


def test_nothing_to_draw_is_an_error() -> None:
    with pytest.raises(UsageError, match="nothing to draw: table slide12 has no"):
        lay_tradeoff(replace(compared("slide12", []), rows=()), "macs")
