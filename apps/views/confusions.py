"""Which class is taken for which: the ranked pairs, and the matrix of all of them."""

from dataclasses import replace

import streamlit as st

from repro.browser import runs
from repro.browser.matrix import show_matrix
from repro.browser.pairs import show_pairs
from repro.browser.selection import ranked_pairs, show_filters
from repro.browser.sidebar import chosen_runs
from repro.reporting.runs import short_names

TABLE, MATRIX = "table", "matrix"

st.title("Confusions")
chosen = chosen_runs()
choice = runs.choose(chosen)
selection = show_filters({run: record.model.token_mixer for run, record in choice.records.items()})
left, right = st.columns(2)
form = left.segmented_control(
    "Form", (TABLE, MATRIX), default=TABLE, required=True, key="form", bind="query-params"
)
at_least = right.slider("Pairs with at least so many errors", 1, 20, key="at_least", bind="query-params")
if form == MATRIX:  # each way has its own cell there
    selection = replace(selection, symmetric=False)
pairs = ranked_pairs(chosen, selection)
pairs = pairs[pairs["count"] >= at_least]
if not len(pairs):
    st.info("No error is like this. Loosen a filter above.", icon=":material/filter_alt_off:")
    st.stop()
st.markdown(f"**{int(pairs['count'].sum()):,} errors in {len(pairs):,} pairs**")
if form == TABLE:
    names = short_names(list(choice.records.values()))
    show_pairs(pairs, names, chance=selection.tells_chance, symmetric=selection.symmetric, key="pairs")
else:
    show_matrix(pairs)
