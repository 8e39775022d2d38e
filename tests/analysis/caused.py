"""Errors with causes for tests, written down as (run, image, cause)."""

from collections.abc import Iterable

import pandas as pd

from repro.analysis.study import CauseStudy, study_causes

NAMES = {"a-run": "conv_net", "b-run": "attention_net"}
MIXERS = {"a-run": "convolution", "b-run": "attention"}


def errors_of(rows: Iterable[tuple[str, str, str]]) -> pd.DataFrame:
    """Each image's true class is 3, taken for 7."""
    return pd.DataFrame(
        [
            {
                "run": run,
                "image_id": image,
                "path": f"x/{image}.JPEG",
                "label": 3,
                "predicted": 7,
                "p_predicted": 0.9,
                "p_label": 0.05,
                "real_labels": None,
                "cause": cause,
            }
            for run, image, cause in rows
        ]
    )


def images(n: int) -> list[str]:
    return [f"i{i:04d}" for i in range(n)]


def differing() -> CauseStudy:
    """Of 400 images, the first run takes sizes wrong in 60, the second in 5 of these; else they are alike."""
    ids = images(400)
    rows = [("a-run", i, "size candidate") for i in ids[:60]]
    rows += [("b-run", i, "size candidate") for i in ids[:5]]
    rows += [(run, i, "fine-grained") for run in NAMES for i in ids[100:140]]
    rows += [(run, i, "acceptable label") for run in NAMES for i in ids[200:220]]
    rows += [(run, i, "no valid label") for run in NAMES for i in ids[390:395]]
    return study_causes(errors_of(rows), ids, set(ids[390:]), NAMES, MIXERS)


def alike() -> CauseStudy:
    """Each run makes as many errors of each cause, in partly different images."""
    ids = images(400)
    rows = [("a-run", i, "size candidate") for i in ids[:40]]
    rows += [("b-run", i, "size candidate") for i in ids[10:50]]
    rows += [(run, i, "shape candidate") for run in NAMES for i in ids[100:110]]
    return study_causes(errors_of(rows), ids, set(), NAMES, MIXERS)
