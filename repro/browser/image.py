"""What the page of one image says of it: answers, labels, causes, heat maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from repro.analysis.causes import CAUSES, real_labels
from repro.analysis.error_study import ErrorStudy
from repro.analysis.factors import load_factors
from repro.browser import runs
from repro.browser.answers import Answer, answers
from repro.browser.cards import heat_maps_of
from repro.browser.gallery import Card
from repro.catalogue.classes import class_name
from repro.doctor.real import load_real_labels
from repro.exceptions import UsageError
from repro.results.choice import RunChoice
from repro.results.codings import load_codings


def asked_image(choice: RunChoice) -> tuple[str, dict[str, Answer]]:
    """The image that the address names, and what each run answers to it.

    Raises:
        UsageError: it names none, or one that the runs do not have.
    """
    image_id = st.query_params.get("id", "")
    if not image_id:
        raise UsageError("no image is chosen; choose one on the page of a pair")
    said = answers(choice, [image_id])
    if not said:
        raise UsageError(f"the runs that are chosen have no image {image_id[:80]!r}")
    return image_id, said[image_id]


def facts_of(
    image_id: str, said: Mapping[str, Answer], names: Mapping[str, str], study: ErrorStudy | None
) -> dict[str, str]:
    """What is known of the image beside the models' answers; `names` is what the runs are called."""
    first = next(iter(said.values()))
    facts = {"True class": f"{class_name(first['label'])} ({first['label']})", "File": first["path"]}
    (real,) = real_labels([image_id], load_real_labels())
    if real is None:
        facts["ReaL labels"] = "ReaL does not know this image"
    else:
        facts["ReaL labels"] = ", ".join(map(class_name, real)) or "none is right"
    factors = load_factors()
    if factors is not None and image_id in factors.index:
        factor = factors.loc[image_id, "factor"]
        facts["ImageNet-X"] = str(factor).replace("_", " ") if isinstance(factor, str) else "no factor"
    if study is not None:
        for row in study.errors[study.errors["image_id"] == image_id].to_dict("records"):
            also = [cause for cause in CAUSES if row[cause] and cause != row["cause"]]
            told = f"{row['cause']}" + (f" (also: {', '.join(also)})" if also else "")
            facts[f"Taken for {class_name(row['predicted'])}"] = told
            if row["overlap"]:
                facts[f"{class_name(row['predicted'])} and the true class overlap"] = row["overlap"]
    return facts | _verdicts_on(image_id, said, names)


def _verdicts_on(image_id: str, said: Mapping[str, Answer], names: Mapping[str, str]) -> dict[str, str]:
    """What readers said of the errors, by reader, class and run."""
    found = {}
    for run, answer in said.items():
        own = {image_id: (answer["label"], answer["top5"][0])} if answer["top5"] else {}
        for coding in load_codings(runs.run_folder(run), own).standing:
            note = f": {coding.note}" if coding.note else ""
            told = f"{coding.reader} on {class_name(coding.predicted)} ({names[run]})"
            found[told] = f"{coding.verdict}{note}"
    return found


def wrong_answers(said: Mapping[str, Answer]) -> list[int]:
    """The classes that models took it for, each once."""
    best = [answer["top5"][0] for answer in said.values() if answer["top5"]]
    label = next(iter(said.values()))["label"]
    return list(dict.fromkeys(index for index in best if index != label))


def map_cards(
    choice: RunChoice, names: Mapping[str, str], image_id: str, mapped: Sequence[str]
) -> dict[str, list[Card]]:
    """By run: a card for each of its heat maps of the image, made behind the page where they are missing."""
    found = {}
    for run in mapped:
        views = heat_maps_of(choice, run, [image_id], 320).get(image_id, ())
        found[names[run]] = [
            Card(
                href="",
                title=view.caption,
                lines=(),
                models=(),
                src=view.src,
                map=view.map,
                missing=view.missing,
                alt=view.caption,
            )
            for view in views
        ]
    return found
