"""Two models image by image: which of them is right, and what the one that is wrong says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pyarrow as pa

from repro.analysis.errors import best_classes, first_of_each
from repro.analysis.metrics import correct_images, scored_images
from repro.exceptions import InvalidRun, UsageError

if TYPE_CHECKING:
    from collections.abc import Collection

    import pandas as pd

ONLY_FIRST, ONLY_SECOND, DIFFERENTLY, ALIKE = (
    "only first right",
    "only second right",
    "both wrong differently",
    "both wrong alike",
)

OUTCOMES = (ONLY_FIRST, ONLY_SECOND, DIFFERENTLY, ALIKE)
"""Of the images that not both get right."""

_BOTH = "both right"

_SAID = ["label", "first", "second"]


def load_outcomes(runs: Mapping[str, pa.Table]) -> pd.DataFrame:
    """One row for each image that both runs scored and not both got right, the most confident error first.

    | column        | what                                                                   |
    |---------------|------------------------------------------------------------------------|
    | image_id      |                                                                        |
    | label         | the true class                                                         |
    | first, second | the class that each run predicts                                       |
    | p_wrong       | the larger probability of a wrong prediction; NaN where no run tells it |
    | outcome       | one of `OUTCOMES`                                                      |

    Raises:
        UsageError: they are not two.
        InvalidRun: no image was scored by both, or a run does not tell which class was predicted.
    """
    import numpy as np

    if len(runs) != 2:
        raise UsageError(f"two runs are compared image by image, not {len(runs)}")
    ours, theirs = (_said(run, rows) for run, rows in runs.items())
    images = ours.merge(theirs, on=["image_id", "label"], suffixes=("_first", "_second"))
    if not len(images):
        raise InvalidRun("nothing to compare: the two have no scored image in common")
    images = images.rename(columns={"said_first": "first", "said_second": "second"})
    right, other_right = images["right_first"], images["right_second"]
    images["p_wrong"] = np.fmax(images["p_first"].mask(right), images["p_second"].mask(other_right))
    images["outcome"] = np.select(
        [right & other_right, right, other_right, images["first"] == images["second"]],
        [_BOTH, ONLY_FIRST, ONLY_SECOND, ALIKE],
        DIFFERENTLY,
    )
    found = images.loc[images["outcome"] != _BOTH, ["image_id", *_SAID, "p_wrong", "outcome"]]
    return found.sort_values(["p_wrong", "image_id"], ascending=[False, True], ignore_index=True)


def _said(run: str, rows: pa.Table) -> pd.DataFrame:
    """What the run says of each image that it scored."""
    import pandas as pd

    scored = scored_images(rows)
    return pd.DataFrame(
        {
            "image_id": scored["image_id"].to_pandas(),
            "label": scored["label"].to_numpy().astype("int64"),
            "said": best_classes(run, scored).to_numpy().astype("int64"),
            "right": correct_images(scored).to_numpy(),
            "p": first_of_each(scored["p_top5"]).to_numpy().astype("float64"),
        }
    )


def select_outcome(
    outcomes: pd.DataFrame, outcome: str, classes: Collection[int] | None = None
) -> pd.DataFrame:
    """The images of that outcome, of those in which one of the classes is true or predicted."""
    found = outcomes[outcomes["outcome"] == outcome]
    if classes is None:
        return found
    return found[found[_SAID].isin(list(classes)).any(axis=1)]


def rank_answers(outcomes: pd.DataFrame) -> pd.DataFrame:
    """How many images (`count`) have the same true class and the same two predictions, most first."""
    counted = outcomes.groupby(_SAID, sort=False).size().rename("count").reset_index()
    return counted.sort_values(["count", *_SAID], ascending=[False, True, True, True], ignore_index=True)


def wrong_places(outcome: str) -> tuple[str, ...]:
    """Which columns of a row tell what was wrongly said; one where both say the same."""
    return {ONLY_FIRST: ("second",), ONLY_SECOND: ("first",), ALIKE: ("first",)}.get(
        outcome, ("first", "second")
    )
