"""Photographs of a run, by the ids of its images alone: their bytes come from its dataset, or not at all.

What a results file says of its images' paths is never followed: the dataset is listed anew, and a sample
found by its id. Where the run itself says where the dataset is, only bytes whose SHA-256 it names are shown:
whoever made the file up had them already.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st
from PIL import Image

from repro.browser import runs
from repro.browser.texts import plain
from repro.catalogue.test_sets import find_test_set
from repro.datasets import Dataset, open_dataset
from repro.datasets.decode import UnreadableImage, decode
from repro.exceptions import DataRefused, ReproError, UsageError
from repro.explain.crop_window import crop_for_display
from repro.reporting.table import literal
from repro.reporting.thumbnails import jpeg_uri
from repro.results.choice import RunChoice
from repro.results.record import RunRecord
from repro.results.runs import LABELS_VARIABLE
from repro.results.store import read_rows
from repro.specs import Geometry, Sample

THUMBNAIL_PX = 200

NO_PLACE = "nobody said where the images are now"

_HASHED: dict[str | type[Any], Callable[[Any], Any]] = {
    RunRecord: lambda record: (record.run_id, record.imported)
}


def photograph(record: RunRecord, image_id: str) -> Image.Image:
    """The whole photograph, of the bytes that were scored; imported runs do not tell which these were.

    Raises:
        DataRefused: the dataset or the image is not there, cannot be read, or is another one.
    """
    return _photograph(_source(record), record, image_id)


def crop_uri(record: RunRecord, image_id: str, side_px: int = THUMBNAIL_PX) -> str:
    """The crop that was scored, as a data URI at `side_px`; of an imported run the whole photograph.

    Raises:
        DataRefused: as `photograph`.
    """
    geometry = None if record.protocol is None else record.protocol.geometry
    return _crop_uri(_source(record), record, image_id, geometry, side_px)


def show_photograph(choice: RunChoice, image_id: str) -> None:
    """The whole photograph, from the first of the runs that can show it, or why none can."""
    reason: DataRefused | None = None
    for record in choice.records.values():
        try:
            whole = photograph(record, image_id)
        except DataRefused as refused:
            reason = reason or refused
            continue
        st.image(whole, caption=f"{whole.width} × {whole.height} pixels", width="stretch")
        return
    st.info(plain(f"No photograph: {reason}"), icon=":material/hide_image:")
    if reason is not None and reason.hint:
        st.code(literal(reason.hint), language=None)


def why_none(record: RunRecord) -> str:
    """Why none of a run's photographs can be shown; empty where they can."""
    try:
        _dataset(_source(record))
    except DataRefused as reason:
        return str(reason)
    return ""


@dataclass(frozen=True, slots=True)
class _Source:
    """Where the images of a run are; None: nobody knows."""

    root: str | None
    labels: str | None
    test_set: str | None


def _source(record: RunRecord) -> _Source:
    root, labels = runs.data_root(record), runs.labels_file(record)
    return _Source(
        root=None if root is None else str(root),
        labels=None if labels is None else str(labels),
        test_set=_known_set(record.dataset.test_set),
    )


def _known_set(name: str) -> str | None:
    """The published test set of that name; a record may name anything."""
    with suppress(UsageError):
        return find_test_set(name).name
    return None


def _dataset(source: _Source) -> tuple[Dataset, Mapping[str, Sample]]:
    """The dataset and its samples by id.

    Raises:
        DataRefused: it is not there, or not what it was.
    """
    if source.root is None:
        raise DataRefused(NO_PLACE, hint="repro app --data IMAGENET")
    return _opened(source)


@st.cache_resource(max_entries=4, show_spinner="Listing the images", ttl=600)
def _opened(source: _Source) -> tuple[Dataset, Mapping[str, Sample]]:
    labels = Path(source.labels) if source.labels else None
    try:
        dataset = open_dataset(Path(source.root or ""), labels, source.test_set)
    except ReproError as reason:
        if labels is not None and not os.environ.get(LABELS_VARIABLE):
            raise DataRefused(  # the reason would quote the file, whatever it is
                f"the images in {source.root} do not go with the labels that the run names, {labels}",
                hint="repro app --data IMAGENET --labels FILE.csv",
            ) from reason
        raise DataRefused(str(reason), hint=reason.hint) from reason
    return dataset, {sample.image_id: sample for sample in dataset.samples}


@st.cache_resource(max_entries=8, show_spinner=False)
def _sha256(run: str, at: runs.Stamp) -> Mapping[str, str | None]:
    record = next(record for record in runs.find_runs().records if record.run_id == run)
    rows = read_rows(runs.run_folder(run), record, ["image_id", "sha256"])
    return dict(zip(rows["image_id"].to_pylist(), rows["sha256"].to_pylist(), strict=True))


@st.cache_resource(max_entries=64, show_spinner=False, hash_funcs=_HASHED)
def _photograph(source: _Source, record: RunRecord, image_id: str) -> Image.Image:
    dataset, samples = _dataset(source)
    try:
        sample = samples[image_id]
        expected = _sha256(record.run_id, runs.current())[image_id]
        if expected is None and not record.imported:
            raise DataRefused("the run does not say which bytes were scored")
        data = dataset.read(sample)
        if expected is not None and hashlib.sha256(data).hexdigest() != expected:
            raise DataRefused("another image than the one that was scored (its SHA-256 differs)")
        return decode(data).rgb
    except KeyError:
        raise DataRefused("no longer in the dataset") from None
    except (OSError, UnreadableImage) as reason:
        raise DataRefused(f"cannot be read: {reason}") from reason


@st.cache_data(max_entries=2000, show_spinner=False, hash_funcs=_HASHED)
def _crop_uri(
    source: _Source, record: RunRecord, image_id: str, geometry: Geometry | None, side_px: int
) -> str:
    whole = _photograph(source, record, image_id)
    return jpeg_uri(whole if geometry is None else crop_for_display(whole, geometry, side_px), side_px)
