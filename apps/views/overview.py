"""What was printed beside what was measured: the table, accuracy against cost, the claims in short."""

import streamlit as st

from repro.analysis.tradeoff import AGAINST, lay_tradeoff
from repro.browser import runs
from repro.browser.chart import show_tradeoff
from repro.browser.comparison import build_claims, compare
from repro.browser.links import CONFUSIONS, address, show_links
from repro.browser.selection import prepare
from repro.browser.sidebar import chosen_runs
from repro.browser.tables import offer_csv, show_table
from repro.browser.texts import plain, show_error
from repro.catalogue.tables import load_tables
from repro.exceptions import UsageError
from repro.reporting.comparison import comparison_table
from repro.reporting.report import ledger_brief
from repro.reporting.runs import runs_table
from repro.specs import PROTOCOL_NAMES

st.title("Overview")
choice = runs.choose(chosen_runs())
show_table(runs_table(list(choice.records.values())), "runs_table")
show_links({"What the models confuse": address(CONFUSIONS)}, "next")

st.header("Printed beside measured")
st.caption("Of all runs in the folder, whichever are chosen at the side.")
left, middle, right = st.columns(3)
printed = left.selectbox("Table", list(load_tables()), key="table", bind="query-params")
protocol = middle.segmented_control(
    "Protocol", PROTOCOL_NAMES, default=PROTOCOL_NAMES[0], required=True, key="protocol", bind="query-params"
)
against = right.segmented_control(
    "Accuracy against", AGAINST, default=AGAINST[0], required=True, key="against", bind="query-params"
)
comparison = compare(printed, protocol)
try:
    tradeoff = lay_tradeoff(comparison, against)
    show_tradeoff(tradeoff)
    for reason in tradeoff.left_out:
        st.caption(plain(f"Not drawn: {reason}"))
except UsageError as error:
    show_error(error)
table = comparison_table(comparison)
show_table(table, "comparison")
offer_csv(table, f"{comparison.table.name}.csv")

st.header("What the sources claim")
show_table(ledger_brief(build_claims()), "claims")

prepare(chosen_runs())  # what comes next is there when the reader clicks
