"""Cards of images: the photograph, what each model says of it, and what it rested on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import streamlit as st

from repro.browser import runs
from repro.browser.answers import Answer, answers, in_words
from repro.browser.background import make, place_of
from repro.browser.gallery import Card, ModelView
from repro.browser.heat_maps import MapView, kept_maps, map_views
from repro.browser.links import IMAGE, address
from repro.browser.photographs import THUMBNAIL_PX, crop_uri, why_none
from repro.browser.texts import plain
from repro.catalogue.classes import class_name
from repro.exceptions import DataRefused
from repro.explain.wanted import HeatMapsWanted
from repro.reporting.heat_maps import Rows
from repro.reporting.table import literal
from repro.results.choice import RunChoice
from repro.results.record import RunRecord


def wanted_maps(choice: RunChoice, names: Mapping[str, str], by_default: int = 1) -> list[str]:
    """The runs whose heat maps the reader wants to see: by default the first few that can be repeated."""
    able = {literal(names[run]): run for run, record in choice.records.items() if not record.imported}
    if not able:
        st.caption("Heat maps need the network: these predictions were imported.")
        return []
    wanted = st.multiselect(
        "Heat maps of",
        list(able),
        default=list(able)[:by_default],
        placeholder="no model",
        key="maps",
        bind="query-params",
        help="Made where they are missing, and kept beside the run.",
    )
    return [able[name] for name in wanted]


def cards(
    choice: RunChoice,
    names: Mapping[str, str],
    image_ids: Sequence[str],
    mapped: Sequence[str],
    remarks: Mapping[str, str],
) -> list[Card]:
    """A card for each image.

    Args:
        choice: The runs whose answers it tells.
        names: What they are called.
        image_ids: Each once.
        mapped: The runs whose heat maps it shows; those that are missing are made behind the page.
        remarks: By image, what else is said of it: its cause.
    """
    said = answers(choice, image_ids)
    views = {
        run: heat_maps_of(choice, run, [i for i in image_ids if run in said.get(i, {})]) for run in mapped
    }
    return [
        _card(choice, names, image_id, by_run, remarks.get(image_id, ""), views)
        for image_id, by_run in said.items()
    ]


def _card(
    choice: RunChoice,
    names: Mapping[str, str],
    image_id: str,
    said: Mapping[str, Answer],
    remark: str,
    views: Mapping[str, Mapping[str, tuple[MapView, ...]]],
) -> Card:
    label = next(iter(said.values()))["label"]
    models = [
        ModelView(f"{names[run]}: {in_words(answer)}", views.get(run, {}).get(image_id, ()))
        for run, answer in said.items()
    ]
    src, missing = picture(choice, image_id)
    return Card(
        href=address(IMAGE, id=image_id),
        title=image_id,
        lines=("; ".join(filter(None, (f"is {class_name(label)}", remark))),),
        models=tuple(models),
        src=src,
        missing=missing,
        alt=f"{image_id}: {class_name(label)}",
    )


def picture(choice: RunChoice, image_id: str) -> tuple[str, str]:
    """The crop that the first of the runs scored which can show it, as a data URI, or why there is none."""
    reason = ""
    for record in choice.records.values():
        try:
            return crop_uri(record, image_id), ""
        except DataRefused as refused:
            reason = reason or str(refused)
    return "", reason


def heat_maps_of(
    choice: RunChoice, run: str, image_ids: Sequence[str], side_px: int = THUMBNAIL_PX
) -> dict[str, tuple[MapView, ...]]:
    """The maps of the images that have them; the others are asked for, and come when they are made."""
    record = choice.records[run]
    kept = kept_maps(run, image_ids)
    missing = [image_id for image_id in image_ids if image_id not in kept]
    if missing and not (reason := why_none(record)):
        wanted = HeatMapsWanted(runs.run_folder(run), tuple(missing), **place_of(record))
        kept = make(wanted, f"heat maps of {record.model.label}", partial(_all_maps, run, image_ids)) or kept
    elif missing:
        st.caption(plain(f"No heat maps of {record.model.label}: {reason}"))
    return {image_id: _views(record, image_id, maps, side_px) for image_id, maps in kept.items()}


def _all_maps(run: str, image_ids: Sequence[str]) -> dict[str, Rows] | None:
    kept = kept_maps(run, image_ids)
    return kept if kept.keys() >= set(image_ids) else None


def _views(record: RunRecord, image_id: str, maps: Rows, side_px: int) -> tuple[MapView, ...]:
    try:
        return map_views(maps, crop_uri(record, image_id, side_px))
    except DataRefused as refused:
        return map_views(maps, "", str(refused))
