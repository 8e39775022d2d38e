"""The runs that the app looks at, read once however many pages ask."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from repro.analysis.error_study import ErrorStudy, study_errors
from repro.catalogue.hierarchy import FINE_GRAINED_DEPTH
from repro.exceptions import InvalidRun
from repro.results.choice import RunChoice, choose_among, choose_runs
from repro.results.record import RunRecord
from repro.results.runs import DATA_VARIABLE, LABELS_VARIABLE, runs_folder
from repro.results.survey import Survey, stamp, survey

Stamp = tuple[tuple[str, int, int], ...]


def folder() -> Path:
    return runs_folder().absolute()


def current() -> Stamp:
    """Changes whenever the folder of runs does."""
    return stamp(folder())


def find_runs() -> Survey:
    """What lies in the folder of runs now."""
    return _survey(str(folder()), current())


def default_runs(found: Survey) -> list[str]:
    """The newest run, and all of the same images."""
    return list(_same_images(str(folder()), current(), found))


def choose(runs: Sequence[str]) -> RunChoice:
    """Records and rows of these runs.

    Raises:
        UsageError: they are of different images.
        StorageError: one is damaged.
    """
    return _choice(str(folder()), current(), tuple(runs))


def study(runs: Sequence[str]) -> ErrorStudy:
    """The errors of these runs with their causes.

    Raises:
        InvalidRun: there are none, or a run does not tell what was predicted.
    """
    return _study(str(folder()), current(), tuple(runs))


def study_or_none(runs: Sequence[str]) -> ErrorStudy | None:
    """The same; None where there is nothing to study."""
    try:
        return study(runs)
    except InvalidRun:
        return None


def run_folder(run: str) -> Path:
    return folder() / run


def data_root(record: RunRecord) -> Path | None:
    """Where the images of a run are: `$REPRO_DATA`, else where they were; None: nobody knows.

    What a run says is followed on this machine only: Windows would log in to whatever host it names.
    """
    if told := os.environ.get(DATA_VARIABLE):
        return Path(told)
    root = Path(record.dataset.root)
    is_here = root.is_absolute() and not root.drive.startswith(("\\\\", "//"))
    return root if is_here and not record.imported else None


def labels_file(record: RunRecord) -> Path | None:
    """The labels of a run's images: `$REPRO_LABELS`, else, where the images are where they were, its own."""
    if told := os.environ.get(LABELS_VARIABLE):
        return Path(told)
    moved_to = os.environ.get(DATA_VARIABLE)
    return None if record.imported else record.labels_of(Path(moved_to) if moved_to else None)


@st.cache_resource(max_entries=4, show_spinner=False)
def _survey(folder: str, at: Stamp) -> Survey:
    return survey(Path(folder))


@st.cache_resource(max_entries=4, show_spinner=False)
def _same_images(folder: str, at: Stamp, _found: Survey) -> tuple[str, ...]:
    return tuple(choose_among(Path(folder), _found.records).records)


@st.cache_resource(max_entries=4, show_spinner=False)
def _choice(folder: str, at: Stamp, runs: tuple[str, ...]) -> RunChoice:
    return choose_runs(Path(folder), runs, None)


@st.cache_resource(max_entries=4, show_spinner=False)
def _study(folder: str, at: Stamp, runs: tuple[str, ...]) -> ErrorStudy:
    choice = _choice(folder, at, runs)
    return study_errors(choice.rows, choice.models, FINE_GRAINED_DEPTH)
