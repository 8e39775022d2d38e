"""Two of the runs that are chosen, image by image: which they are, and what was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from repro.analysis.outcomes import load_outcomes, rank_answers, wrong_places
from repro.analysis.paired import PairedCounts
from repro.analysis.run_metrics import PairComparison, RunMetrics, compare_pairs, measure_run
from repro.browser import runs
from repro.browser.links import PAIR, address, go
from repro.browser.pairs import MOST_PAIRS
from repro.browser.texts import plain
from repro.catalogue.classes import class_name
from repro.exceptions import UsageError
from repro.reporting.table import literal
from repro.results.choice import RunChoice
from repro.results.store import read_rows

if TYPE_CHECKING:
    import pandas as pd

FIRST, SECOND = "first", "second"
"""The parameters of the address, and what the two are called in a table of outcomes."""


@dataclass(frozen=True)
class Paired:
    """How good each is, how they differ, and the images that not both get right (`load_outcomes`)."""

    metrics: tuple[RunMetrics, RunMetrics]
    pair: PairComparison
    outcomes: pd.DataFrame


def choose_two(choice: RunChoice) -> RunChoice:
    """The first and the second, by default the two newest.

    Raises:
        UsageError: there are no two, or the address names one that is not among them.
    """
    offered = list(choice.records)
    if len(offered) < 2:
        raise UsageError("it takes two runs of the same images; choose another at the side")
    for place in (FIRST, SECOND):
        if (asked := st.query_params.get(place, "")) and asked not in offered:
            st.warning(plain(f"not among the runs that are chosen: {asked}"), icon=":material/link_off:")
    left, right = st.columns(2)
    first = left.selectbox("First", offered, index=len(offered) - 2, key=FIRST, bind="query-params")
    others = [run for run in offered if run != first]
    second = right.selectbox("Second", others, index=len(others) - 1, key=SECOND, bind="query-params")
    return RunChoice(
        {run: choice.records[run] for run in (first, second)},
        {run: choice.rows[run] for run in (first, second)},
        {},
    )


def compare_two(two: RunChoice) -> Paired:
    """All that is said of the two.

    Raises:
        UsageError: an image is another one in the other run.
        InvalidRun: they have no scored image in common, or one does not tell what was predicted.
    """
    return _compared(str(runs.folder()), runs.current(), tuple(two.records))


@st.cache_resource(max_entries=8, show_spinner="Comparing the two image by image")
def _compared(folder: str, at: runs.Stamp, two: tuple[str, ...]) -> Paired:
    records = runs.choose(two).records
    rows = {run: read_rows(runs.run_folder(run), record) for run, record in records.items()}
    first, second = (measure_run(run, rows[run]) for run in two)
    (pair,) = compare_pairs({run: rows[run] for run in two})
    return Paired((first, second), pair, load_outcomes({run: rows[run] for run in two}))


def show_counts(counts: PairedCounts, names: Sequence[str]) -> None:
    """The four fields: who is right on how many images."""
    fields = {
        "Both right": counts.both,
        f"Only {names[0]} right": counts.only_first,
        f"Only {names[1]} right": counts.only_second,
        "Neither right": counts.neither,
    }
    for column, (name, n) in zip(st.columns(len(fields)), fields.items(), strict=True):
        column.metric(
            plain(name),
            f"{n:,}",
            delta=f"{100 * n / counts.n:.1f} %",
            delta_color="off",
            delta_arrow="off",
            border=True,
        )


def show_answers(outcomes: pd.DataFrame, outcome: str, names: Sequence[str], key: str) -> None:
    """What was said instead of what is true, the most frequent first; a click opens the pair of classes."""
    ranked = rank_answers(outcomes)
    shown = ranked.head(MOST_PAIRS)
    places = wrong_places(outcome)
    wrong = dict(zip(_headers(places, names), places, strict=True))
    event = st.dataframe(
        _frame(shown, wrong),
        hide_index=True,
        on_select="rerun",
        selection_mode="single-cell",
        alt="What was said instead of what is true",
        key=key,
    )
    if len(ranked) > MOST_PAIRS:
        st.caption(f"The first {MOST_PAIRS:,} of {len(ranked):,}; filter to see others.")
    if cells := event["selection"]["cells"]:
        place, header = cells[0]
        row = shown.iloc[place]
        go(address(PAIR, true=int(row["label"]), taken=int(row[wrong.get(header, places[0])])))


def _headers(places: Sequence[str], names: Sequence[str]) -> list[str]:
    """One wrong class needs no name of a model; of two models alike a space tells them apart."""
    if len(places) == 1:
        return ["Taken for"]
    first, second = (f"{literal(name)} says" for name in names)
    return [first, second if second != first else f"{second} "]


def _frame(ranked: pd.DataFrame, wrong: dict[str, str]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(
        {
            "True": [class_name(index) for index in ranked["label"]],
            **{header: [class_name(index) for index in ranked[of]] for header, of in wrong.items()},
            "Images": ranked["count"].to_numpy(),
        }
    )
