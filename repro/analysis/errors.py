"""The errors of runs, one row each, and how many images and predictions there are of each class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from repro.analysis.metrics import correct_images, scored_images
from repro.exceptions import InvalidRun
from repro.specs import N_CLASSES

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("run", "image_id", "path", "label", "predicted", "p_predicted", "p_label")


def load_errors(runs: Mapping[str, pa.Table]) -> pd.DataFrame:
    """One row for each run and image whose best class is wrong, in the order of the runs and their rows.

    The columns are `COLUMNS`; probabilities are NaN where the rows do not tell them.

    Raises:
        InvalidRun: no image was scored, or a run does not tell which class was predicted.
    """
    import pandas as pd

    found = [_errors_of(run, rows) for run, rows in runs.items()]
    if not found:
        return pd.DataFrame(columns=list(COLUMNS))
    return pd.concat(found, ignore_index=True)


def _errors_of(run: str, rows: pa.Table) -> pd.DataFrame:
    import pandas as pd

    scored = scored_images(rows)
    wrong = scored.filter(pc.invert(correct_images(scored)))
    return pd.DataFrame(
        {
            "run": run,
            "image_id": wrong["image_id"].to_pandas(),
            "path": wrong["path"].to_pandas(),
            "label": wrong["label"].to_numpy().astype("int64"),
            "predicted": best_classes(run, wrong).to_numpy().astype("int64"),
            "p_predicted": first_of_each(wrong["p_top5"]).to_numpy().astype("float64"),
            "p_label": wrong["p_label"].to_numpy().astype("float64"),
        },
        columns=list(COLUMNS),
    )


def class_counts(runs: Mapping[str, pa.Table]) -> pd.DataFrame:
    """By run and class, all 1000: `n_images` of the class that were scored, `n_wrong` of them wrong,
    `n_predicted` predictions of the class, `n_predicted_wrong` of them wrong.

    Raises:
        InvalidRun: no image was scored, or a run does not tell which class was predicted.
    """
    import numpy as np
    import pandas as pd

    def count(classes: pa.ChunkedArray) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return np.bincount(classes.to_numpy().astype(np.int64), minlength=N_CLASSES)

    counted = []
    for run, rows in runs.items():
        scored = scored_images(rows)
        is_wrong = pc.invert(correct_images(scored))
        best = best_classes(run, scored)
        counts = {
            "run": run,
            "class": np.arange(N_CLASSES),
            "n_images": count(scored["label"]),
            "n_wrong": count(scored["label"].filter(is_wrong)),
            "n_predicted": count(best),
            "n_predicted_wrong": count(best.filter(is_wrong)),
        }
        counted.append(pd.DataFrame(counts))
    return pd.concat(counted, ignore_index=True)


def best_classes(run: str, scored: pa.Table) -> pa.ChunkedArray:
    """The best class of each scored row.

    Raises:
        InvalidRun: a row does not tell it.
    """
    best = first_of_each(scored["top5"])
    if best.null_count:
        raise InvalidRun(
            f"{run} does not tell which class was predicted for {best.null_count:,} of {len(best):,} images"
        )
    return best


def first_of_each(lists: pa.ChunkedArray) -> pa.ChunkedArray:
    """The first of each list; null where there is none."""
    is_empty = pc.equal(pc.list_value_length(lists), 0)
    return pc.list_element(pc.if_else(is_empty, pa.scalar(None, lists.type), lists), 0)
