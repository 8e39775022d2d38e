"""Only what exceeds the matched controls counts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.analysis.attribution import Rate, attribute, difference_interval, match_controls
from repro.exceptions import InvalidRun
from repro.reporting.probes import probes_table
from repro.results.probes import AS_IT_IS, SCHEMA

TRUE, WRONG = 1, 2


def stored(image_id: str, p: float, right: bool) -> dict[str, Any]:
    return {"image_id": image_id, "p_top5": [p], "rank": 0 if right else 1}


def probed(
    answers: Mapping[str, Mapping[tuple[str, float], int | None]],
    first: Mapping[str, int],
    p: Mapping[str, float] | None = None,
) -> pa.Table:
    """Rows of images whose true class is `TRUE`; `first` is what was stored for each, `p` how surely."""
    rows = []
    for image_id, by_dose in answers.items():
        for (name, dose), top1 in {(AS_IT_IS, 0.0): first[image_id], **by_dose}.items():
            row = {"image_id": image_id, "sha256": "", "label": TRUE, "predicted": first[image_id]}
            row["p_predicted"] = (p or {}).get(image_id, 0.5)
            rows.append(row | {"intervention": name, "dose": dose, "top1": top1, "focus": "none"})
    return pa.Table.from_pylist(rows, SCHEMA)


def test_the_nearest_right_answer_is_taken_once() -> None:
    rows = [stored("e1", 0.9, False), stored("e2", 0.88, False), stored("e3", 0.1, False)]
    rows += [stored("c1", 0.89, True), stored("c2", 0.80, True), stored("c3", 0.95, True)]
    assert match_controls(rows, ["e1", "e2", "e3"]) == ["c1", "c3", "c2"]
    assert match_controls(rows, ["e2"]) == ["c1"]
    assert match_controls(rows[:4], ["e1", "e2"]) == ["c1"]
    assert match_controls(iter(rows), ["e2"]) == ["c1"]  # rows are made as they are looked at


@given(st.lists(st.tuples(st.floats(0, 1, width=32), st.booleans()), max_size=40))
def test_matching_is_the_plain_greedy_one(answers: list[tuple[float, bool]]) -> None:
    rows = [stored(f"{i:03d}", p, right) for i, (p, right) in enumerate(answers)]
    errors = [row["image_id"] for row in rows if row["rank"]]
    free = {row["image_id"]: row["p_top5"][0] for row in rows if not row["rank"]}
    expected = []
    for error in errors:
        p = next(row["p_top5"][0] for row in rows if row["image_id"] == error)
        if free:
            expected.append(abs(free.pop(min(free, key=lambda i: (abs(free[i] - p), i))) - p))
    p_of = {row["image_id"]: row["p_top5"][0] for row in rows}
    matched = match_controls(rows, errors)
    assert len(set(matched)) == len(matched) == len(expected)
    assert all(not rows[int(image_id)]["rank"] for image_id in matched)
    assert abs(p_of[matched[0]] - p_of[errors[0]]) == expected[0] if matched else True


def test_rescued_errors_stand_beside_broken_controls() -> None:
    larger, smaller, gone = ("larger", 2.0), ("smaller", 0.5), ("object removed", 1.0)
    answers = {
        "e1": {larger: TRUE, smaller: WRONG, gone: WRONG},
        "e2": {larger: WRONG, smaller: TRUE, gone: WRONG},
        "e3": {larger: WRONG, smaller: WRONG, gone: TRUE},
        "e4": {larger: 3, smaller: None, gone: WRONG},
        "c1": {larger: TRUE, smaller: TRUE, gone: WRONG},
        "c2": {larger: TRUE, smaller: WRONG, gone: WRONG},
        "c3": {larger: TRUE, smaller: TRUE, gone: WRONG},
        "c4": {larger: TRUE, smaller: None, gone: WRONG},
    }
    first = {image_id: WRONG if image_id[0] == "e" else TRUE for image_id in answers}
    errors, controls = ["e1", "e2", "e3", "e4"], ["c1", "c2", "c3", "c4"]
    found = attribute(probed(answers, first), errors, controls, [larger, smaller])
    assert found.driven == ("e1", "e2")
    assert (found.any_dose.rescued, found.any_dose.broken) == (Rate(2, 4), Rate(2, 4))
    assert found.any_dose.excess == 0
    assert found.by_dose[larger].rescued == Rate(1, 4)
    assert found.by_dose[larger].broken == Rate(0, 4)
    assert found.by_dose[larger].excess == 0.25
    assert found.by_dose[gone].broken == Rate(4, 4)


def test_an_image_that_answers_otherwise_than_before_is_left_out() -> None:
    dose = ("larger", 2.0)
    answers = {"e1": {dose: TRUE}, "e2": {dose: TRUE}, "c1": {dose: TRUE}}
    rows = probed(answers, {"e1": WRONG, "e2": WRONG, "c1": TRUE}).to_pylist()
    for row in rows:
        if row["image_id"] == "e2" and row["intervention"] == AS_IT_IS:
            row["top1"] = TRUE
    found = attribute(pa.Table.from_pylist(rows, SCHEMA), ["e1", "e2"], ["c1"], [dose])
    assert found.disagreeing == ("e2",)
    assert found.any_dose.rescued == Rate(1, 1)


@pytest.mark.parametrize(
    ("p_control", "said"), [(0.42, "a right answer of like"), (0.9, "it is not of like")]
)
def test_controls_are_of_like_confidence_only_where_they_are(p_control: float, said: str) -> None:
    dose = ("larger", 2.0)
    answers = {name: {dose: TRUE} for name in ("e1", "e2", "c1", "c2")}
    first = {"e1": WRONG, "e2": WRONG, "c1": TRUE, "c2": TRUE}
    p = {"e1": 0.26, "e2": 0.4, "c1": p_control, "c2": p_control}
    found = attribute(probed(answers, first, p), ["e1", "e2"], ["c1", "c2"], [dose])
    table = probes_table({"run": {"size": found}})
    assert f"size: mean confidence of errors/controls 0.33/{p_control:.2f}." in table.notes
    assert said in table.notes[-1]


def test_nothing_to_compare_is_an_error() -> None:
    dose = ("larger", 2.0)
    rows = probed({"e1": {dose: TRUE}}, {"e1": WRONG})
    with pytest.raises(InvalidRun, match="1 errors and 0 controls"):
        attribute(rows, ["e1"], ["c1"], [dose])


def test_the_interval_is_newcombes() -> None:
    """Newcombe 1998, table II, method 10."""
    for counts, expected in {
        (56, 70, 48, 80): (0.0524, 0.3339),
        (9, 10, 3, 10): (0.1705, 0.8090),
        (10, 10, 0, 20): (0.6791, 1.0),
        (5, 56, 0, 29): (-0.0381, 0.1926),
    }.items():
        a, n, b, m = counts
        assert difference_interval(Rate(a, n), Rate(b, m)) == pytest.approx(expected, abs=1e-4)


def test_the_interval_covers_what_it_should() -> None:
    rng = np.random.default_rng(3)
    p, q, n, m, covered = 0.3, 0.1, 60, 60, 0
    for a, b in zip(rng.binomial(n, p, 400), rng.binomial(m, q, 400), strict=True):
        low, high = difference_interval(Rate(int(a), n), Rate(int(b), m))
        covered += low <= p - q <= high
    assert math.isclose(covered / 400, 0.95, abs_tol=0.035)
