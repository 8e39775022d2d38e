"""Which dose turned an error right: the first of those that count, never one that does not."""

from __future__ import annotations

import pyarrow as pa
import pytest

from repro.analysis.attribution import attribute
from repro.analysis.probed import Turn, find_turns
from repro.results.probes import AS_IT_IS, SCHEMA

GENTLE = [("larger", 1.41), ("larger", 2.0)]
DOSES = [*GENTLE, ("larger", 4.0)]
TRUE, WRONG = 5, 9


def rows_of(answers: dict[str, tuple[bool, ...]], right: str) -> pa.Table:
    """By image, whether each dose gives the true class; those named in `right` were right as they are."""
    rows = []
    for image_id, after in answers.items():
        before = TRUE if image_id in right else WRONG
        for i, (name, dose) in enumerate([(AS_IT_IS, 0.0), *DOSES]):
            top1 = before if i == 0 else (TRUE if after[i - 1] else WRONG)
            rows.append(
                {
                    "image_id": image_id,
                    "sha256": "0",
                    "label": TRUE,
                    "predicted": before,
                    "intervention": name,
                }
                | {"dose": dose, "top1": top1, "p_label": 0.1 + i / 5, "p_predicted": 0.5, "focus": "map"}
            )
    return pa.Table.from_pylist(rows, SCHEMA)


def test_the_first_dose_that_counts_is_named() -> None:
    answers = {
        "a": (False, True, True),
        "b": (True, True, False),
        "c": (False, False, True),
        "k": (True,) * 3,
    }
    rows = rows_of(answers, right="k")
    turns = find_turns(rows, attribute(rows, ["a", "b", "c"], ["k"], GENTLE))
    assert turns == {
        "a": Turn("larger", 2.0, pytest.approx(0.1), pytest.approx(0.5)),
        "b": Turn("larger", 1.41, pytest.approx(0.1), pytest.approx(0.3)),
    }
