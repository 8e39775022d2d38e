"""A comparison as people and programs see it."""

import json
from dataclasses import replace
from decimal import Decimal
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from repro.analysis.compare import compare_table
from repro.analysis.verdict import Figure, Verdict
from repro.catalogue.models import load_models, published_by_timm
from repro.catalogue.tables import find_table
from repro.reporting.comparison import comparison_json, comparison_table
from repro.reporting.table import FORMATS, print_table
from tests.analysis.records import complexity_of, run_of
from tests.reporting.snapshots import assert_snapshot

COMPLEXITIES = {spec.name: complexity_of(spec) for spec in load_models() if spec.params}
PAPER = find_table("paper")

SMALL = ("rsb_resnet18", "rsb_resnet101", "vit_l16", "deit_s", "pvt_tiny", "resmlp_b24", "poolformer_s24")


@pytest.fixture(scope="module")
def small():
    """A row of every kind: match, wrong network, partial, invalid, not run, impossible, not in the table."""
    table = replace(PAPER, rows=tuple(row for row in PAPER.rows if row.model in SMALL))
    runs = [
        run_of("rsb_resnet101", 40_672, invalid="2 images unreadable (ILSVRC2012_val_00000001, …00000293)"),
        run_of("deit_s", 79, n=100),
        run_of("resmlp_b24", 40_517),
        run_of("poolformer_s24", 40_220, origin="file"),
        run_of("efficientnet_lite0", 890, n=1000, partial="1,000 images, not the 50,000 of ImageNet val"),
    ]
    return compare_table(table, runs, COMPLEXITIES, "authors")


@pytest.fixture(scope="module")
def whole():
    """The paper's table after all that can be run gave what timm publishes."""
    top1 = {
        spec.name: published_by_timm().get(spec.tag or "", {}).get("imagenet_top1") for spec in load_models()
    }
    runs = [run_of(name, round(value * 500)) for name, value in top1.items() if value]
    return compare_table(PAPER, runs, COMPLEXITIES, "authors")


def terminal(comparison, width):
    console = Console(file=StringIO(), width=width, force_terminal=True, color_system=None)
    print_table(comparison_table(comparison), console)
    return console.file.getvalue()


@pytest.mark.parametrize("form", FORMATS)
def test_forms(small, form):
    assert_snapshot(f"comparison-{form}.txt", FORMATS[form](comparison_table(small)))


@pytest.mark.parametrize("width", [80, 120])
def test_terminals(small, width):
    assert_snapshot(f"comparison-terminal-{width}.txt", terminal(small, width))


def test_the_papers_whole_table(whole):
    assert_snapshot("paper-terminal-120.txt", terminal(whole, 120))


def test_json(small):
    text = json.dumps(comparison_json(small), indent=1, ensure_ascii=False, allow_nan=False)
    assert_snapshot("comparison-json.txt", text)


@pytest.mark.parametrize("width", [80, 100, 120, 160])
def test_no_line_is_wider_than_the_terminal_and_no_row_is_folded(small, whole, width):
    for comparison in (small, whole):
        lines = terminal(comparison, width).splitlines()
        assert max(map(len, lines)) <= width
        for row in comparison.rows:
            (line,) = [line for line in lines if line.startswith(f"{row.label} ")]
            assert row.verdict in line


@pytest.mark.parametrize("width", [80, 120])
def test_a_partial_run_keeps_its_interval_on_every_terminal(small, width):
    (line,) = [line for line in terminal(small, width).splitlines() if line.startswith("DeiT-S")]
    assert "79.000 70.02–85.83" in line
    assert "100 of 50,000 images" in terminal(small, width)


def test_an_invalid_run_shows_no_percentage(small):
    (row,) = [row for row in comparison_json(small)["rows"] if row["verdict"] == "INVALID"]
    assert row["top1_pct"]["measured"] is row["interval"] is None
    assert "81.344" not in FORMATS["csv"](comparison_table(small))


def test_under_timms_protocol_the_reference_is_called_timms(whole):
    table = comparison_table(replace(whole, protocol_name="timm"))
    assert table.columns[6].header == "Top-1 (%) timm"
    assert "Top-1 (%) timm: what timm publishes for its checkpoints." in table.notes


def test_numbers_in_json_are_the_raw_ones(whole):
    (row,) = [row for row in comparison_json(whole)["rows"] if row["model"] == "poolformer_s24"]
    assert row["params_m"]["measured"] == 21.388968
    assert row["macs_g"] == {
        "printed": 3.4,
        "measured": 3.412808704,
        "difference": 0.0,
        "verdict": "AGREES",
        "reason": "",
    }
    assert row["top1_pct"]["measured"] == 80.294
    assert row["interval"] == pytest.approx([0.79943, 0.80640], abs=1e-5)


@given(st.decimals(-20, 20, places=4))
def test_differences_are_signed_and_zero_has_no_sign(difference):
    comparison = compare_table(find_table("slide12"), [], {}, "authors")
    figure = Figure(Verdict.SAME, Decimal("80.3"), Decimal("80.3"), difference)
    rows = tuple(replace(row, top1_pct=figure) for row in comparison.rows)
    cell = comparison_table(replace(comparison, rows=rows)).groups[0].rows[0][10]
    assert abs(Decimal(cell) - difference) <= Decimal("0.0005")
    assert (cell == "0.000") == (Decimal(cell) == 0)
    assert cell[0] == ("0" if Decimal(cell) == 0 else "-" if difference < 0 else "+")
