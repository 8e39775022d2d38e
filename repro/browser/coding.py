"""A reader goes through the errors of a run, one at a time, and says what each comes from."""

from __future__ import annotations

import getpass
import math
from collections.abc import Collection, Sequence
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


def next_case(cases: Sequence[Case], done: Collection[str], skipped: Collection[str]) -> Case | None:
    """The case that the address names, else the first that is neither coded nor skipped."""
    asked = st.query_params.get("id")
    if asked and (found := [case for case in cases if case.image_id == asked]):
        return found[0]
    return next((case for case in cases if case.image_id not in {*done, *skipped}), None)


def skipped_by(reader: str, run: str, done: Collection[str]) -> set[str]:
    """The images of the run that the reader skipped in this session, and has not coded since."""
    skipped = st.session_state.get("skipped", ())
    return {image_id for by, of, image_id in skipped if (by, of) == (reader, run)} - {*done}


def show_nothing_left(reader: str, run: str, n_skipped: int) -> None:
    """Says that all is coded, or how many are left that the reader skipped."""
    if not n_skipped:
        st.success("Nothing is left to code here.", icon=":material/done_all:")
        return
    few = "1 error is" if n_skipped == 1 else f"{n_skipped:,} errors are"
    st.info(f"{few} left, which you skipped.", icon=":material/skip_next:")
    st.button("Ask them again", key="unskip", on_click=_unskip, args=(reader, run))


def show_verdicts(case: Case, reader: str) -> None:
    """One button a verdict, each with a key of the keyboard, and a note to go with it."""
    st.text_area("Note (goes with the verdict)", key=_note_key(case, reader), height=68)
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
        "Skip",
        shortcut="s",
        width="stretch",
        on_click=_skip,
        args=(case, reader),
        icon=":material/skip_next:",
    )
    undo.button(
        "Undo",
        shortcut="u",
        width="stretch",
        on_click=_undo,
        args=(reader, case.run),
        disabled=not _given(reader, case.run),
        icon=":material/undo:",
    )
    if message := st.session_state.pop("refused", None):
        show_error(message)


@dataclass(frozen=True, slots=True)
class _Given:
    """A verdict of this session; `before` is the one of the same reader that it took the place of."""

    case: Case
    reader: str
    before: Coding | None


def _given(reader: str, run: str) -> list[_Given]:
    """The verdicts that the reader gave on the run in this session, oldest first."""
    given = st.session_state.get("given", ())
    return [one for one in given if (one.reader, one.case.run) == (reader, run)]


def _code(case: Case, reader: str, verdict: str) -> None:
    note, folder = st.session_state.get(_note_key(case, reader), ""), runs.run_folder(case.run)
    try:
        own = load_codings(folder, {case.image_id: (case.label, case.predicted)})
        before = own.of_reader(reader).get(case.image_id)
        coding = Coding(reader, case.image_id, case.label, case.predicted, verdict, note.strip())
        append_coding(folder, coding)
    except ReproError as error:
        st.session_state["refused"] = error
        return
    st.session_state.setdefault("given", []).append(_Given(case, reader, before))
    _leave(case, reader)


def _skip(case: Case, reader: str) -> None:
    st.session_state.setdefault("skipped", []).append((reader, case.run, case.image_id))
    _leave(case, reader)


def _unskip(reader: str, run: str) -> None:
    skipped = st.session_state["skipped"]
    st.session_state["skipped"] = [one for one in skipped if one[:2] != (reader, run)]


def _undo(reader: str, run: str) -> None:
    """Takes the reader's last verdict back: what stood before it stands again, and its case is shown."""
    given = _given(reader, run)
    if not given:  # its key is held down, and came again before the button was drawn as disabled
        return
    last = given[-1]
    case = last.case
    verdict, note = (last.before.verdict, last.before.note) if last.before else (WITHDRAWN, "")
    try:
        coding = Coding(reader, case.image_id, case.label, case.predicted, verdict, note)
        append_coding(runs.run_folder(run), coding)
    except ReproError as error:
        st.session_state["refused"] = error
        return
    st.session_state["given"].remove(last)
    st.query_params["id"] = case.image_id


def _note_key(case: Case, reader: str) -> str:
    """A note is of one case: it does not follow to another that the reader turns to."""
    return f"{NOTE} {case.run} {case.image_id} {reader}"


def _leave(case: Case, reader: str) -> None:
    st.session_state[_note_key(case, reader)] = ""
    st.query_params.pop("id", None)


def question(case: Case, name: str) -> str:
    """`**trolleybus**, which EfficientNet-Lite0 takes for **streetcar** (89.8 %)`, as Markdown."""
    p = "" if math.isnan(case.p_predicted) else f" ({100 * case.p_predicted:.1f} %)"
    true, predicted = (plain(class_name(index)) for index in (case.label, case.predicted))
    return f"**{true}**, which {plain(name)} takes for **{predicted}**{p}"
