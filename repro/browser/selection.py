"""Which errors the reader looks at: what is asked for at the head of the page, and stands in the address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import streamlit as st

from repro.analysis import error_study
from repro.analysis.causes import CAUSES
from repro.analysis.confusions import rank_pairs
from repro.analysis.error_study import ErrorStudy
from repro.browser import runs
from repro.catalogue.classes import index_by_wnid, load_classes
from repro.catalogue.hierarchy import load_hierarchy
from repro.reporting.table import literal

if TYPE_CHECKING:
    import pandas as pd

ANYBODY = "any run"
EVERY_RUN = "every run"
ONLY = "only "


@dataclass(frozen=True, slots=True)
class Selection:
    """`classes`: either class of the pair; None: all. `made_by`: any run, every run, or `only MIXER`."""

    classes: tuple[int, ...] | None
    causes: tuple[str, ...]
    min_confidence: float
    made_by: str
    symmetric: bool

    @property
    def tells_chance(self) -> bool:
        """Whether what is left are all errors of the runs: then what chance would give can be said."""
        return not self.causes and self.made_by == ANYBODY


def show_filters(mixers: Mapping[str, str]) -> Selection:
    """The filters; `mixers` are the token mixers by run."""
    first, second, third, fourth = st.columns([3, 3, 2, 2])
    with first:
        classes = choose_classes()
    causes = second.multiselect("Cause", CAUSES, placeholder="all causes", key="cause", bind="query-params")
    families = sorted(set(map(literal, mixers.values())))
    makers = [ANYBODY, EVERY_RUN] if len(mixers) > 1 else [ANYBODY]
    makers += [f"{ONLY}{mixer}" for mixer in families] if len(families) > 1 else []
    made_by = third.selectbox(
        "Made by",
        makers,
        key="made_by",
        bind="query-params",
        help="every run: the same image taken for the same class. only …: images that all other families "
        "get right.",
    )
    confidence = fourth.slider(
        "Made with p of at least", 0.0, 1.0, step=0.05, key="min_p", bind="query-params"
    )
    symmetric = fourth.toggle("Both ways together", key="symmetric", bind="query-params")
    return Selection(classes, tuple(causes), confidence, made_by or ANYBODY, symmetric)


def choose_classes() -> tuple[int, ...] | None:
    """The class, or all of the super-class, that the reader names; None: all."""
    named = st.selectbox(
        "Class or super-class",
        list(_named_classes()),
        index=None,
        placeholder="all classes",
        key="class",
        bind="query-params",
    )
    return None if named is None else _named_classes()[named]


@cache
def _named_classes() -> dict[str, tuple[int, ...]]:
    """What can be asked for: every class by its name, every super-class by its own and how many it has."""
    hierarchy = load_hierarchy()
    named: dict[str, tuple[int, ...]] = {c.name: (c.index,) for c in load_classes()}
    for node in hierarchy.nodes.values():
        under = hierarchy.classes_under(node.wnid)
        if node.wnid not in index_by_wnid() and len(under) > 1:
            name = f"{node.name}: all {len(under)}"
            named[name if name not in named else f"{name} ({node.wnid})"] = under
    return named


def select(chosen: list[str], selection: Selection) -> ErrorStudy:
    """The errors of these runs that the selection leaves.

    Who makes an error is asked of all errors: one that another family makes with a lower p is not one
    family's alone.
    """
    study = runs.study(chosen)
    mixers = {run: literal(record.model.token_mixer) for run, record in runs.choose(chosen).records.items()}
    if selection.made_by == EVERY_RUN:
        study = error_study.made_by_every_run(study)
    elif selection.made_by.startswith(ONLY):
        study = error_study.made_by_one_family(study, mixers, selection.made_by.removeprefix(ONLY))
    if selection.min_confidence > 0:
        study = error_study.with_confidence(study, selection.min_confidence)
    if selection.causes:
        study = error_study.of_causes(study, selection.causes)
    return study


def prepare(chosen: list[str]) -> None:
    """Does beforehand what the confusions need when nothing is filtered."""
    if runs.study_or_none(chosen) is not None:
        ranked_pairs(chosen, Selection(None, (), 0.0, ANYBODY, False))


def ranked_pairs(chosen: list[str], selection: Selection) -> pd.DataFrame:
    """The pairs that the selection leaves, the most frequent first; to be read only."""
    return _ranked(tuple(chosen), selection, runs.current())


@st.cache_resource(max_entries=16, show_spinner=False)
def _ranked(chosen: tuple[str, ...], selection: Selection, at: runs.Stamp) -> pd.DataFrame:
    study = select(list(chosen), selection)
    pairs = rank_pairs(study.errors, study.counts, symmetric=selection.symmetric)
    return pairs if selection.classes is None else error_study.of_classes(pairs, selection.classes)
