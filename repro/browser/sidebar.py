"""The sidebar of every page: the pages, which runs are looked at, and what is wrong with the others."""

from __future__ import annotations

import streamlit as st

from repro.browser import runs
from repro.browser.links import CODING, CONFUSIONS, OVERVIEW, RUNS, TWO_MODELS, address, show_navigation
from repro.browser.texts import plain
from repro.exceptions import UsageError

_PAGES = {
    "Overview": OVERVIEW,
    "Confusions": CONFUSIONS,
    "Two models": TWO_MODELS,
    "Coding": CODING,
}


def show_sidebar(here: str) -> None:
    """`here` is the title of the page.

    Raises:
        UsageError: there is no run to choose, none is chosen, or the address names one that is not there.
    """
    found = runs.find_runs()
    if not found.records:
        _show_left_out()
        raise UsageError(f"no runs to look at in {runs.folder()}", hint="repro demo")
    offered = [record.run_id for record in reversed(found.records)]
    unknown = [run for run in st.query_params.get_all(RUNS) if run not in offered]
    with st.sidebar:
        navigation = st.container()
        chosen = st.multiselect(
            "Runs",
            offered,
            default=runs.default_runs(found),
            key=RUNS,
            bind="query-params",
            help="All pages are about these. They must be of the same images.",
        )
        with navigation:
            show_navigation({title: address(page) for title, page in _PAGES.items()}, here)
        _show_left_out()
    if unknown:
        st.warning(plain(f"not in {runs.folder()}: {', '.join(unknown)}"), icon=":material/link_off:")
    if not chosen:
        raise UsageError("no run is chosen; choose one or more at the side")


def chosen_runs() -> list[str]:
    """The ids of the runs that all pages look at, oldest first."""
    chosen = set(st.session_state[RUNS])
    return [record.run_id for record in runs.find_runs().records if record.run_id in chosen]


def _show_left_out() -> None:
    if left_out := runs.find_runs().left_out:
        with st.sidebar.expander(f"{len(left_out)} not shown"):
            for name, reason in left_out.items():
                st.caption(f"**{plain(name)}**: {plain(reason)}")
