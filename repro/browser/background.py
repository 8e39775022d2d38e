"""What takes a network, done behind the page: one worker for all who look, whose progress the page shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypedDict, TypeVar

import streamlit as st

from repro.browser import runs
from repro.browser.texts import plain
from repro.exceptions import ReproError
from repro.explain.jobs import Job, State, Worker
from repro.explain.wanted import Wanted
from repro.reporting.table import literal
from repro.results.record import RunRecord

POLL_S = 0.5

T = TypeVar("T")


class Place(TypedDict):
    """Where the images of a run are, and when it was written, as what is wanted of it says it."""

    data: Path | None
    labels: Path | None
    written_ns: int


def place_of(record: RunRecord) -> Place:
    return {
        "data": runs.data_root(record),
        "labels": runs.labels_file(record),
        "written_ns": (runs.run_folder(record.run_id) / "run.json").stat().st_mtime_ns,
    }


def submit(wanted: Wanted, *, again: bool = False) -> Job:
    return _worker().submit(wanted, again=again)


@st.cache_resource(show_spinner=False)
def _worker() -> Worker:
    return Worker()


def watch(jobs: Sequence[Job], what: str) -> bool:
    """Shows how the jobs go, and draws the page anew once they have ended; whether they all ended well."""
    if any(job.progress().under_way for job in jobs):
        _show_progress(jobs, what)
        return False
    failed = {job.progress().message: job for job in jobs if job.progress().state is State.FAILED}
    for message, job in failed.items():
        st.error(plain(f"{what}: {message}"), icon=":material/error:")
        if hint := job.progress().hint:
            st.code(literal(hint), language=None)
        if st.button("Try again", key=f"again {hash(job.wanted)}"):
            submit(job.wanted, again=True)
            st.rerun()
    return not failed and all(job.progress().state is State.DONE for job in jobs)


def make(wanted: Wanted, what: str, find: Callable[[], T | None]) -> T | None:
    """What `find` finds once it is made behind the page; None before, or where it cannot be made.

    A job that is done is not done again for whoever asks, so what it kept and somebody removed since is
    made again here: once in a session, or a folder that keeps nothing would have it made for ever.
    """
    if not watch([submit(wanted)], what):
        return None
    if (found := find()) is not None:
        return found
    made_again = st.session_state.setdefault("made again", set())
    if wanted in made_again:
        st.caption(plain(f"{what}: made twice, and removed since."))
        return None
    made_again.add(wanted)
    return find() if watch([submit(wanted, again=True)], what) else None


@st.fragment(run_every=POLL_S)
def _show_progress(jobs: Sequence[Job], what: str) -> None:
    progress = [job.progress() for job in jobs]
    if not any(of_job.under_way for of_job in progress):
        st.rerun(scope="app")
    done, total = (sum(getattr(of_job, name) for of_job in progress) for name in ("done", "total"))
    waits = "" if done else ": opening the network"
    st.progress(done / max(total, 1), plain(f"{what}: {done} of {total}{waits}"))


def refused(error: ReproError, what: str) -> None:
    """Says that something cannot be had, without taking the rest of the page with it."""
    st.warning(plain(f"{what}: {error}"), icon=":material/block:")
    if error.hint:
        st.code(literal(error.hint), language=None)
