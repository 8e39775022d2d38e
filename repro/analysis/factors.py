"""ImageNet-X's factors: by how much a model errs more often on images of an unusual pose, colour, size, …

The annotations (Idrissi et al., ICLR 2023; CC BY-NC 4.0) are read where the user has installed the package
`imagenet-x`. An image has one top factor: what sets it apart most from the prototypical images of its class.
The ratios are those of the paper: top factors, without the 3,000 prototypical images.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json

from repro.analysis.metrics import correct_images, scored_images
from repro.analysis.statistics import wilson_interval
from repro.datasets.imagenet_x import PACKAGE, find_annotations
from repro.exceptions import DataRefused, InvalidRun

if TYPE_CHECKING:
    import pandas as pd

FACTORS = (
    "pose",
    "background",
    "pattern",
    "color",
    "smaller",
    "shape",
    "partial_view",
    "subcategory",
    "texture",
    "larger",
    "darker",
    "object_blocking",
    "person_blocking",
    "style",
    "brighter",
    "multiple_objects",
)
"""As the annotations name them."""

_TOP_FACTORS = "imagenet_x_val_top_factor.jsonl"
_PROTOTYPES = "prototypical_paths.csv"
_SUFFIX = ".JPEG"


@cache
def load_factors() -> pd.DataFrame | None:
    """By image id: `factor` (None where the image has none) and `prototypical`; None without the package.

    Raises:
        DataRefused: the package no longer holds what it should.
    """
    import numpy as np
    import pandas as pd

    folder = find_annotations()
    if folder is None:
        return None
    try:
        annotations = pa.json.read_json(folder / _TOP_FACTORS)
        is_factor = np.stack([annotations[name].to_numpy() == 1 for name in FACTORS], axis=1)
        names = annotations["file_name"].to_pylist()
        prototypes = set(pd.read_csv(folder / _PROTOTYPES)["file_name"])
    except (OSError, KeyError, ValueError) as error:
        raise DataRefused(f"the {PACKAGE} does not hold its annotations as expected ({error})") from error
    named = np.array([*FACTORS, None], dtype=object)
    places = np.where(is_factor.any(axis=1), is_factor.argmax(axis=1), len(FACTORS))
    return pd.DataFrame(
        {"factor": named[places], "prototypical": [name in prototypes for name in names]},
        index=pd.Index([name.removesuffix(_SUFFIX) for name in names], name="image_id"),
    )


def error_ratios(rows: pa.Table, factors: pd.DataFrame) -> pd.DataFrame:
    """By factor: `n` images, `n_wrong` of them, `error`, and `ratio`, the error by that over all images.

    `low` and `high` are Wilson's interval of the error by the same divisor; the last row, `all`, is over
    all images that are annotated and not prototypical. A factor without images has no row.

    Raises:
        InvalidRun: none of the scored images is annotated, or none of these is wrong.
    """
    import pandas as pd

    scored = scored_images(rows)
    is_wrong = pc.invert(correct_images(scored)).to_numpy().astype(bool)
    by_image = pd.Series(is_wrong, index=scored["image_id"].to_pylist(), name="wrong")
    annotated = factors[~factors["prototypical"]].join(by_image, how="inner")
    n, n_wrong = len(annotated), int(annotated["wrong"].sum())
    if not n_wrong:
        what = "no errors" if n else "ImageNet-X annotates none"
        raise InvalidRun(f"no error ratios: {what} of these {scored.num_rows:,} images")
    counted = annotated.groupby("factor")["wrong"].agg(["size", "sum"]).reindex(list(FACTORS)).dropna()
    counted.loc["all"] = (n, n_wrong)
    ratios = counted.astype("int64").rename(columns={"size": "n", "sum": "n_wrong"}).reset_index()
    ratios["error"] = ratios["n_wrong"] / ratios["n"]
    ratios["ratio"] = ratios["error"] / (n_wrong / n)
    intervals = [wilson_interval(k, of) for k, of in zip(ratios["n_wrong"], ratios["n"], strict=True)]
    for place, name in enumerate(("low", "high")):
        ratios[name] = [interval[place] / (n_wrong / n) for interval in intervals]
    return ratios
