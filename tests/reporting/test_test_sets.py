"""The comparison on other test sets as people and programs see it."""

import json
from io import StringIO

import pytest
from rich.console import Console

from repro.analysis.metrics import RealCount
from repro.analysis.test_sets import compare_test_sets
from repro.catalogue.models import find_model, published_by_timm
from repro.catalogue.test_sets import find_test_set, load_test_sets
from repro.reporting.table import FORMATS, print_table
from repro.reporting.test_sets import sets_json, sets_table
from tests.analysis.records import run_of, with_summary
from tests.reporting.snapshots import assert_snapshot

A = "imagenet-a"


def run_on(test_set, model, correct, n=None, **options):
    n = find_test_set(test_set).n_images if n is None else n
    return run_of(model, correct, n=n, test_set=test_set, **{"protocol_name": "timm"} | options)


@pytest.fixture(scope="module")
def some():
    """Runs of every kind on ImageNet-A, one on V2 of unknown variant, and ReaL of a part of ImageNet val."""
    val = run_of("poolformer_s24", 80, n=100, protocol_name="timm")
    runs = [
        with_summary(run_on(A, "poolformer_s24", 1058), top5_correct=3528),
        run_on(A, "deit_s", 1411),
        run_on(A, "resmlp_s24", 900, protocol_name="authors"),
        run_on(A, "rsb_resnet34", 5, n=100),
        run_on(A, "rsb_resnet18", 0, invalid="2 images unreadable (0.1_x, 0.2_x)"),
        run_on(A, "poolformer_m36", 1700),
        run_on(A, "efficientnet_lite0", 300),
        run_on("imagenet-v2", "deit_s", 6853),
        val,
    ]
    return compare_test_sets(runs, {val.run_id: {1: RealCount(80, 94, 6), 5: RealCount(90, 94, 6)}})


@pytest.fixture(scope="module")
def whole():
    """Every figure met on every set."""
    runs, real = [], {}
    for test_set in load_test_sets():
        for model in ("deit_s", "poolformer_s24") if test_set.published else ():
            figures = published_by_timm()[find_model(model).tag]
            right = {
                k: round(figures[f"{test_set.published}_top{k}"] * test_set.n_images / 100) for k in (1, 5)
            }
            if test_set.relabels:
                runs.append(run_of(model, 40_000, protocol_name="timm"))
                real[runs[-1].run_id] = {k: RealCount(n, test_set.n_images, 3163) for k, n in right.items()}
            else:
                runs.append(with_summary(run_on(test_set.name, model, right[1]), top5_correct=right[5]))
    return compare_test_sets(runs, real)


def terminal(comparison, width):
    console = Console(file=StringIO(), width=width, force_terminal=True, color_system=None)
    print_table(sets_table(comparison), console)
    return console.file.getvalue()


@pytest.mark.parametrize("form", ["text", "csv", "latex"])
def test_forms(some, form):
    assert_snapshot(f"test-sets-{form}.txt", FORMATS[form](sets_table(some)))


@pytest.mark.parametrize("width", [80, 120])
def test_terminals(whole, width):
    assert_snapshot(f"test-sets-terminal-{width}.txt", terminal(whole, width))


@pytest.mark.parametrize("width", [80, 120, 160, 240])
def test_a_row_is_a_line_on_every_terminal(some, whole, width):
    for comparison in (some, whole):
        lines = terminal(comparison, width).splitlines()
        for row in comparison.rows:
            (line,) = [line for line in lines if line.startswith(f"{row.label} ")]
            assert len(line) <= width


@pytest.mark.parametrize("width", [80, 240])
def test_what_is_no_match_is_said_on_every_terminal(some, width):
    text = " ".join(terminal(some, width).split())
    assert "A: NOT COMPARABLE, 100 of 7,500 images, 1000 of 1000 classes (95% interval 2.15–11.18)" in text
    assert "A: NOT COMPARABLE, protocol differs: " in text
    assert "A: INVALID, 2 images unreadable" in text
    assert "A: DIFFERENT, 0.399 points above 22.267" in text
    assert "ReaL: NOT COMPARABLE, 100 of 50,000 images" in text
    assert "V2-unknown: NOT COMPARABLE, which of ImageNet-V2's three variants" in text


def test_over_how_many_classes_the_argmax_goes_is_said(some):
    notes = "\n".join(sets_table(some).notes)
    assert "A: ImageNet-A, 7,500 images, arg-max over its 200 classes; Hendrycks et al." in notes
    assert "Sketch: ImageNet-Sketch, 50,889 images, arg-max over all 1000 classes; Wang et al." in notes


def test_json_has_every_cell_with_raw_numbers(some):
    values = json.loads(json.dumps(sets_json(some), allow_nan=False))
    rows = {row["model"]: row for row in values["rows"]}
    assert rows["poolformer_s24"]["test_sets"][A] == {
        "verdict": "SAME",
        "reason": "within 0.03 points",
        "top1_pct": {
            "printed": 14.107,
            "measured": pytest.approx(100 * 1058 / 7500),
            "difference": 0.0,
            "verdict": "SAME",
            "reason": "within 0.03 points",
        },
        "top5_pct": {
            "printed": 47.04,
            "measured": pytest.approx(47.04),
            "difference": 0.0,
            "verdict": "SAME",
            "reason": "within 0.03 points",
        },
        "n": 7500,
        "n_expected": 7500,
        "interval": pytest.approx([0.1334, 0.1491], abs=1e-4),
        "run_id": "poolformer_s24-imagenet-a-timm-2026-08-01T12:00:00+00:00",
    }
    assert rows["rsb_resnet18"]["test_sets"][A]["top1_pct"]["measured"] is None
    assert [s["n_classes"] for s in values["test_sets"] if s["name"] in (A, "imagenet-sketch")] == [200, 1000]
    assert sum(values["counts"].values()) == 17 * 5 + 2
