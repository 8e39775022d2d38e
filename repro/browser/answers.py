"""What each run answers to an image, as its rows tell it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from repro.catalogue.classes import class_name
from repro.results.choice import RunChoice

Answer = Mapping[str, Any]
"""A row (`results.predictions`)."""


def answers(choice: RunChoice, image_ids: Sequence[str]) -> dict[str, dict[str, Answer]]:
    """The rows of these images by image id and run, in the order asked, if any run has them."""
    wanted = pa.array(image_ids, pa.string())
    found: dict[str, dict[str, Answer]] = {image_id: {} for image_id in image_ids}
    for run, rows in choice.rows.items():
        for row in rows.filter(pc.is_in(rows["image_id"], wanted)).to_pylist():
            found[row["image_id"]][run] = row
    return {image_id: by_run for image_id, by_run in found.items() if by_run}


def in_words(answer: Answer) -> str:
    """`tub 71.2 %, true 3.1 %`; probabilities where the run tells them, and why there is no answer."""
    if not answer["top5"]:
        return str(answer["status"])
    best = answer["top5"][0]
    told = [f"{class_name(best)}{_percent((answer['p_top5'] or [None])[0])}"]
    if best != answer["label"] and answer["p_label"] is not None:
        told.append(f"true{_percent(answer['p_label'])}")
    return ", ".join(told)


def _percent(p: float | None) -> str:
    return "" if p is None else f" {100 * p:.1f} %"
