"""Errors, confusions, causes and factors: equal to independent counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy.stats import binom, poisson

from repro.analysis.causes import (
    ACCEPTABLE,
    CAUSES,
    CONTEXT,
    FINE_GRAINED,
    NO_LABEL,
    OVERLAPPING,
    SHAPE,
    SIZE,
    UNEXPLAINED,
    assign_causes,
    cause_shares,
)
from repro.analysis.confusions import rank_pairs
from repro.analysis.error_study import study_errors, with_confidence
from repro.analysis.errors import class_counts, load_errors
from repro.analysis.factors import error_ratios, load_factors
from repro.catalogue.class_lookup import find_class
from repro.catalogue.classes import load_classes
from repro.catalogue.overlaps import load_overlaps
from repro.doctor.real import RealLabels
from repro.exceptions import InvalidRun
from repro.results.predictions import SCHEMA
from repro.results.runs import list_runs
from repro.results.store import read_rows

RATIOS = {
    "ResNet50": "0.6947 1.1417 0.7714 1.1888 1.4974 1.7442 1.1324 2.1055 2.3939 1.3159 1.7150 1.9233 "
    "2.1713 1.9280 1.1664 1.9739",
    "ViT": "0.7407 1.0910 0.8625 1.1516 1.6440 1.5399 0.9172 2.0154 2.0446 1.2909 1.8340 1.9860 "
    "1.9363 1.6011 0.7823",
}
"""Published with ImageNet-X, in the order of `FACTORS`, to four digits; the last of ViT is not published."""

N = {
    name: find_class(name).index
    for name in ("tench", "goldfish", "sunglass", "sunglasses", "airship", "hammer")
}


def rows_of(pairs: list[tuple[int, int]], ids: list[str] | None = None, p: float | None = 0.5) -> pa.Table:
    """One row an image, as an import writes it: rank null where the best class is not the true one."""
    ids = ids or [f"i{n:04d}" for n in range(len(pairs))]
    return pa.Table.from_pylist(
        [
            {
                "image_id": image_id,
                "path": f"{image_id}.JPEG",
                "label": label,
                "status": "ok",
                "top5": [best],
                "p_top5": None if p is None else [p],
                "p_label": p if label == best else None,
                "rank": 0 if label == best else None,
            }
            for image_id, (label, best) in zip(ids, pairs, strict=True)
        ],
        SCHEMA,
    )


def val(number: int) -> str:
    return f"ILSVRC2012_val_{number:08d}"


def real_of(labels: list[list[int]]) -> RealLabels:
    pairs = [(image, c) for image, classes in enumerate(labels) for c in classes]
    images, classes = np.array(pairs, dtype=np.int64).T
    return RealLabels(images, classes, np.array([bool(classes) for classes in labels]))


@pytest.fixture(scope="module")
def imported(published_runs: Path) -> dict[str, pa.Table]:
    return {run.model.name: read_rows(published_runs / run.run_id, run) for run in list_runs(published_runs)}


def test_errors_have_what_the_rows_tell() -> None:
    runs = {"a": rows_of([(0, 0), (0, 1), (2, 1)]), "b": rows_of([(0, 5)], p=None)}
    errors = load_errors(runs)
    assert errors[["run", "image_id", "label", "predicted"]].to_numpy().tolist() == [
        ["a", "i0001", 0, 1],
        ["a", "i0002", 2, 1],
        ["b", "i0000", 0, 5],
    ]
    assert errors["p_predicted"].tolist()[:2] == [0.5, 0.5]
    assert np.isnan(errors["p_predicted"][2])
    assert errors["p_label"].isna().all()


def test_a_run_that_does_not_tell_the_best_class_is_refused() -> None:
    rows = rows_of([(0, 1), (0, 0)])
    nothing = pa.array([[], None], SCHEMA.field("top5").type)
    rows = rows.set_column(rows.schema.get_field_index("top5"), "top5", nothing)
    rows = rows.set_column(rows.schema.get_field_index("rank"), "rank", pa.array([3, 0], pa.int16()))
    with pytest.raises(InvalidRun, match="does not tell which class was predicted for 1 of 1"):
        load_errors({"a": rows})


def test_pairs_are_counted_as_pandas_counts_them(imported: dict[str, pa.Table]) -> None:
    pairs = rank_pairs(load_errors(imported), class_counts(imported))
    frames = [rows.select(["label", "top5"]).to_pandas().assign(run=run) for run, rows in imported.items()]
    rows = pd.concat(frames)
    rows["best"] = rows["top5"].str[0]
    wrong = rows[rows["label"] != rows["best"]]
    by_run = wrong.groupby(["label", "best", "run"]).size().unstack(fill_value=0)
    counts = by_run.sum(axis=1)
    ours = pairs.set_index(["label", "predicted"]).sort_index()
    assert ours["count"].to_dict() == counts.to_dict()
    assert ours["n_runs"].to_dict() == (by_run > 0).sum(axis=1).to_dict()
    images = rows["label"].value_counts()
    rates = counts / images.loc[counts.index.get_level_values("label")].to_numpy()
    np.testing.assert_allclose(ours["rate"], rates.to_numpy())
    assert pairs["count"].is_monotonic_decreasing
    top = pairs.iloc[0]
    assert (load_classes()[top["label"]].name, load_classes()[top["predicted"]].name) == (
        "laptop",
        "notebook",
    )
    assert top["by_run"] == {"ResNet50": 30, "ViT": 26}


def test_both_ways_together(imported: dict[str, pa.Table]) -> None:
    errors, counts = load_errors(imported), class_counts(imported)
    directed = rank_pairs(errors, counts).set_index(["label", "predicted"])["count"].to_dict()
    both = rank_pairs(errors, counts, symmetric=True)
    assert both["count"].sum() == len(errors)
    assert (both["forth"] >= both["back"]).all()
    for row in both.itertuples():
        assert row.forth == directed.get((row.label, row.predicted), 0)
        assert row.back == directed.get((row.predicted, row.label), 0)
        assert sum(row.by_run.values()) == row.forth + row.back


@pytest.mark.parametrize("symmetric", [False, True])
def test_chance_and_its_correction_by_hand(symmetric: bool) -> None:
    rng = np.random.default_rng(3)
    runs = {
        name: rows_of([(int(a), int(b)) for a, b in rng.integers(0, 12, size=(80, 2))])
        for name in ("a", "b", "c")
    }
    planted = rng.integers(0, 12, size=(80, 2)).tolist() + [[2, 5]] * 30  # one that cannot be chance
    runs["a"] = rows_of([(a, b) for a, b in planted])
    found = rank_pairs(load_errors(runs), class_counts(runs), symmetric=symmetric)
    wrong = {
        name: [(row["label"], row["top5"][0]) for row in rows.to_pylist() if row["label"] != row["top5"][0]]
        for name, rows in runs.items()
    }

    def expected(errors: list[tuple[int, int]], a: int, b: int) -> float:
        of_a = sum(label == a for label, _ in errors)
        return of_a * sum(best == b for _, best in errors) / sum(best != a for _, best in errors)

    tails = []
    for row in found.to_dict("records"):
        a, b = row["label"], row["predicted"]
        ways = [(a, b), (b, a)] if symmetric else [(a, b)]
        means = {name: sum(expected(errors, *way) for way in ways) for name, errors in wrong.items()}
        seen = {name: sum(error in ways for error in errors) for name, errors in wrong.items()}
        assert row["expected"] == pytest.approx(sum(means.values()))
        tails.append(min(1.0, 3 * min(poisson.sf(seen[name] - 1, means[name]) for name in wrong)))
        assert row["p"] == pytest.approx(tails[-1])
    n_possible = 66 if symmetric else 132  # not all of them occur
    order = np.argsort(tails)
    adjusted = np.array(tails)[order] * n_possible / np.arange(1, len(tails) + 1)
    adjusted = np.minimum(np.minimum.accumulate(adjusted[::-1])[::-1], 1)
    assert adjusted[0] < 0.5  # else all would be 1, and their number told by nothing
    np.testing.assert_allclose(found["p_corrected"].to_numpy()[order], adjusted)


def test_poissons_tail_is_above_the_binomials(imported: dict[str, pa.Table]) -> None:
    """So that p never says more than the exact test would."""
    runs = {"ResNet50": imported["ResNet50"]}
    counts = class_counts(runs).set_index("class")
    pairs = rank_pairs(load_errors(runs), counts.reset_index())
    pairs = pairs[pairs["count"] > pairs["expected"] + 1]
    n = counts["n_wrong"].loc[pairs["label"]].to_numpy()
    exact = binom.sf(pairs["count"] - 1, n, pairs["expected"] / n)
    assert (pairs["p"] >= exact * (1 - 1e-9)).all()


def test_each_rule_fires_where_it_should() -> None:
    tench, goldfish, airship, hammer = N["tench"], N["goldfish"], N["airship"], N["hammer"]
    hare, zebra = find_class("hare").index, find_class("zebra").index
    potpie, mashed = find_class("potpie").index, find_class("mashed potato").index
    real = real_of([[tench, goldfish], [], [N["sunglass"]], [tench], [airship], [hammer, airship], [tench]])
    errors = load_errors(
        {
            run: rows_of(
                [
                    (tench, goldfish),
                    (tench, goldfish),
                    (N["sunglass"], N["sunglasses"]),
                    (hare, zebra),
                    (airship, hammer),
                    (tench, airship),
                ],
                [val(1), val(2), val(3), val(4), val(5), val(7)],
            )
            for run in ("a", "b")
        }
    )
    caused = assign_causes(errors, real=real)
    assert caused["cause"].tolist()[:6] == [ACCEPTABLE, NO_LABEL, OVERLAPPING, FINE_GRAINED, CONTEXT, SIZE]
    assert caused["real_labels"].tolist()[:2] == [[tench, goldfish], []]
    assert caused.loc[0, FINE_GRAINED] and caused.loc[0, ACCEPTABLE]  # a row keeps all that fire
    assert caused.loc[4, "n_together"] == 1
    alone = assign_causes(errors, real=real, models={"a": "same", "b": "same"})
    assert alone["cause"].tolist()[5] == UNEXPLAINED
    alike = load_errors({run: rows_of([(mashed, potpie)], ["x"]) for run in ("a", "b")})
    far = assign_causes(alike, depth=20, real=real)
    assert far.loc[0, "bins_apart"] == 0
    assert far["cause"].tolist() == [SHAPE, SHAPE]
    assert far["real_labels"].tolist() == [None, None]
    assert not far[[ACCEPTABLE, NO_LABEL]].to_numpy().any()


def test_the_image_itself_is_no_other_image() -> None:
    """That ReaL gives both classes for the very image makes the error acceptable, not one of context."""
    real = real_of([[N["airship"], N["hammer"]], [N["airship"]], [N["airship"]], [N["hammer"]]])
    errors = load_errors({"a": rows_of([(N["airship"], N["hammer"])], [val(1)])})
    assert assign_causes(errors, real=real).loc[0, "n_together"] == 0


def test_classes_that_real_gives_together_in_most_images_overlap() -> None:
    airship, hammer = N["airship"], N["hammer"]
    errors = load_errors({"a": rows_of([(airship, hammer)], ["x"])})
    most = assign_causes(errors, real=real_of([[airship, hammer], [hammer, airship], [airship]]))
    half = assign_causes(errors, real=real_of([[airship, hammer], [airship]]))
    assert most.loc[0, "overlap"] == "ReaL gives both in 2 of the 3 images in which it gives either"
    assert half.loc[0, "overlap"] == ""


def test_the_shares_by_depth_are_those_of_the_rules_at_that_depth(imported: dict[str, pa.Table]) -> None:
    errors = load_errors(imported)
    caused = assign_causes(errors)
    shares = cause_shares(caused)
    np.testing.assert_allclose(shares.sum(), 1.0)
    at_ten = assign_causes(errors, depth=10)["cause"].value_counts(normalize=True)
    assert shares[10].to_dict() == pytest.approx(at_ten.reindex(list(CAUSES), fill_value=0.0).to_dict())
    assert shares.loc[FINE_GRAINED].is_monotonic_decreasing
    assert (caused["cause"] == ACCEPTABLE).sum() == 7189


def test_acceptable_is_what_real_says_of_the_image(imported: dict[str, pa.Table]) -> None:
    """Counted anew from timm's file alone, image by image."""
    import json

    import timm

    file = Path(timm.__file__).parent / "data" / "_info" / "imagenet_real_labels.json"
    labels = json.loads(file.read_text())
    rows = imported["ViT"].select(["image_id", "label", "top5"]).to_pylist()
    wrong = [row for row in rows if row["label"] != row["top5"][0]]
    n_acceptable = sum(row["top5"][0] in labels[int(row["image_id"][-8:]) - 1] for row in wrong)
    caused = assign_causes(load_errors({"ViT": imported["ViT"]}))
    assert (caused["cause"] == ACCEPTABLE).sum() == n_acceptable


def test_confidence_selects_errors_and_what_chance_is_among() -> None:
    runs = {"a": pa.concat_tables([rows_of([(0, 1)] * 3, p=0.9), rows_of([(2, 3)] * 2, ["x", "y"], p=0.1)])}
    sure = with_confidence(study_errors(runs, {"a": "m"}, 8), 0.5)
    assert len(sure.errors) == 3
    counts = sure.counts.set_index("class")
    assert counts["n_wrong"].loc[[0, 2]].tolist() == [3, 0]
    assert counts["n_predicted_wrong"].loc[[1, 3]].tolist() == [3, 0]
    with pytest.raises(InvalidRun, match="does not tell the probabilities"):
        with_confidence(study_errors({"a": rows_of([(0, 1)], p=None)}, {"a": "m"}, 8), 0.5)


@pytest.mark.parametrize("model", list(RATIOS))
def test_published_error_ratios_by_factor(imported: dict[str, pa.Table], model: str) -> None:
    factors = load_factors()
    assert factors is not None
    found = error_ratios(imported[model], factors).set_index("factor")
    published = RATIOS[model].split()
    assert [f"{ratio:.4f}" for ratio in found["ratio"].iloc[: len(published)]] == published
    assert found.loc["all", "n"] == 46_110
    if model == "ResNet50":
        assert found.loc["all", "error"] == pytest.approx(0.253307, abs=1e-6)
    assert ((found["low"] <= found["ratio"]) & (found["ratio"] <= found["high"])).all()


def test_factors_of_other_images_are_refused() -> None:
    factors = pd.DataFrame({"factor": ["pose"], "prototypical": [False]}, index=[val(1)])
    with pytest.raises(InvalidRun, match="ImageNet-X annotates none of these 1 images"):
        error_ratios(rows_of([(0, 1)], ["elsewhere"]), factors)


def test_overlaps_name_the_classes_they_mean() -> None:
    from repro.catalogue import overlaps

    text = (Path(overlaps.__file__).parent / "overlaps.csv").read_text(encoding="utf-8")
    import csv

    rows = list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
    names = {c.wnid: c.name for c in load_classes()}
    assert len(load_overlaps()) == len(rows)
    for row in rows:
        assert (names[row["wnid_a"]], names[row["wnid_b"]]) == (row["name_a"], row["name_b"])
        assert row["wnid_a"] != row["wnid_b"]
        assert row["relation"] in ("same", "contains")
        assert row["ground"]
