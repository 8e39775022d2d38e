"""A reader goes through the errors of a run, one at a time, and says what each comes from."""

from __future__ import annotations

import getpass
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from repro.browser import runs
from repro.browser.texts import plain, show_error
from repro.catalogue.classes import class_name
from repro.exceptions import ReproError
from repro.results.codings import LONGEST_READER, VERDICTS, WITHDRAWN, Coding, append_coding, load_codings
from repro.specs import digest

if TYPE_CHECKING:
    import pandas as pd

    from repro.results.codings import Codings

CHANCE, CONFIDENT = "by chance", "most confident first"

MEANINGS = {
    "shape": "it has the shape of the other",
    "size": "it would be the other, were it as large or as small",
    "context": "what is around it belongs to the other",
    "fine-grained": "the two are hard to tell apart",
    "label wrong": "the label does not say what is there",
    "other": "none of these",
}

NOTE = "note"


@dataclass(frozen=True, slots=True)
class Case:
    """An error to be coded."""

    run: str
    image_id: str
    label: int
    predicted: int
    p_predicted: float
    cause: str


def reader_name() -> str:
    """Who codes; the name stands beside each verdict."""
    default = st.session_state.setdefault("login", _login())
    name = st.text_input(
        "Reader",
        default,
        max_chars=LONGEST_READER,
        key="reader",
        bind="query-params",
        help="Your name or initials.",
    )
    return " ".join((name or "").split())


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return "reader"


def cases_of(run: str, errors: pd.DataFrame, order: str) -> list[Case]:
    """The errors of the run, in an order that does not depend on who has coded what."""
    own = errors[errors["run"] == run]
    cases = [
        Case(run, *row)
        for row in zip(
            *(own[name].tolist() for name in ("image_id", "label", "predicted", "p_predicted", "cause")),
            strict=True,
        )
    ]
    if order == CONFIDENT:
        return sorted(cases, key=lambda case: (-case.p_predicted, case.image_id))
    return sorted(cases, key=lambda case: digest(case.image_id))


def codings_of(run: str, errors: pd.DataFrame) -> Codings:
    """What has been coded of the run, by whomever.

    Raises:
        StorageError: the file is damaged; its line is named.
    """
    own = errors[errors["run"] == run]
    known = dict(zip(own["image_id"], zip(own["label"], own["predicted"], strict=True), strict=True))
    return load_codings(runs.run_folder(run), known)


def next_case(cases: Sequence[Case], done: Sequence[str]) -> Case | None:
    """The case that the address names, else the first that is neither coded nor skipped."""
    asked = st.query_params.get("id")
    if asked and (found := [case for case in cases if case.image_id == asked]):
        return found[0]
    left_out = {*done, *st.session_state.get("skipped", ())}
    return next((case for case in cases if case.image_id not in left_out), None)


def show_verdicts(case: Case, reader: str) -> None:
    """One button a verdict, each with a key of the keyboard, and a note to go with it."""
    st.text_area("Note (goes with the verdict)", key=NOTE, height=68)
    columns = st.columns(3)
    for place, verdict in enumerate(VERDICTS):
        columns[place % 3].button(
            verdict,
            key=f"verdict {verdict}",
            shortcut=str(place + 1),
            help=MEANINGS[verdict],
            width="stretch",
            disabled=not reader,
            on_click=_code,
            args=(case, reader, verdict),
        )
    skip, undo = st.columns(2)
    skip.button(
        "Skip", shortcut="s", width="stretch", on_click=_skip, args=(case,), icon=":material/skip_next:"
    )
    undo.button(
        "Undo",
        shortcut="u",
        width="stretch",
        on_click=_undo,
        args=(reader,),
        disabled=not st.session_state.get("coded"),
        icon=":material/undo:",
    )
    if message := st.session_state.pop("refused", None):
        show_error(message)


def _code(case: Case, reader: str, verdict: str) -> None:
    note = st.session_state.get(NOTE, "")
    try:
        append_coding(
            runs.run_folder(case.run),
            Coding(reader, case.image_id, case.label, case.predicted, verdict, note.strip()),
        )
    except ReproError as error:
        st.session_state["refused"] = error
        return
    st.session_state.setdefault("coded", []).append(case)
    _leave()


def _skip(case: Case) -> None:
    st.session_state.setdefault("skipped", []).append(case.image_id)
    _leave()


def _undo(reader: str) -> None:
    """Takes the last verdict of this session back, and shows its case again."""
    case = st.session_state["coded"].pop()
    try:
        append_coding(
            runs.run_folder(case.run),
            Coding(reader, case.image_id, case.label, case.predicted, WITHDRAWN),
        )
    except ReproError as error:
        st.session_state["coded"].append(case)
        st.session_state["refused"] = error
        return
    st.query_params["id"] = case.image_id


def _leave() -> None:
    st.session_state[NOTE] = ""
    st.query_params.pop("id", None)


def question(case: Case, name: str) -> str:
    """`**trolleybus**, which EfficientNet-Lite0 takes for **streetcar** (89.8 %)`, as Markdown."""
    p = "" if math.isnan(case.p_predicted) else f" ({100 * case.p_predicted:.1f} %)"
    true, predicted = (plain(class_name(index)) for index in (case.label, case.predicted))
    return f"**{true}**, which {plain(name)} takes for **{predicted}**{p}"
