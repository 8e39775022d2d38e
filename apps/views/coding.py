"""A reader's own verdicts on the errors, one at a time; how far readers agree, and what the causes say."""

import streamlit as st

from repro.analysis.agreement import agreements, verdicts_by_cause
from repro.browser import runs
from repro.browser.coding import (
    CHANCE,
    CONFIDENT,
    cases_of,
    codings_of,
    next_case,
    question,
    reader_name,
    show_nothing_left,
    show_verdicts,
    skipped_by,
)
from repro.browser.links import IMAGE, PAIR, address, show_links
from repro.browser.photographs import show_photograph
from repro.browser.sidebar import chosen_runs
from repro.browser.tables import offer_csv, show_table
from repro.reporting.codings import (
    agreements_table,
    causes_table,
    export_table,
    progress_table,
    verdicts_table,
)
from repro.reporting.runs import short_names

st.title("Coding")
choice = runs.choose(chosen_runs())
study = runs.study(chosen_runs())
first, second, third = st.columns([2, 2, 3])
run = first.selectbox("Errors of", list(choice.records), key="of", bind="query-params")
with second:
    reader = reader_name()
order = third.segmented_control(
    "Order", (CHANCE, CONFIDENT), default=CHANCE, required=True, key="order", bind="query-params"
)
cases = cases_of(run, study.errors, order)
codings = codings_of(run, study.errors)
done = codings.of_reader(reader)
st.progress(len(done) / max(len(cases), 1), f"{len(done):,} of {len(cases):,} errors coded")

skipped = skipped_by(reader, run, done)
case = next_case(cases, done, skipped)
if case is None:
    show_nothing_left(reader, run, len(skipped & {case.image_id for case in cases}))
else:
    left, right = st.columns([1, 1])
    with left:
        show_photograph(choice, case.image_id)
    with right:
        st.subheader(question(case, short_names(list(choice.records.values()))[run]))
        if (standing := done.get(case.image_id)) is not None:
            st.info(f"You said: {standing.verdict}. A new verdict takes its place.")
        show_verdicts(case, reader)
        if st.toggle(
            "Show the automatic cause", key="cause shown", help="Off, so that it does not sway you."
        ):
            st.caption(case.cause)
        show_links(
            {
                "The image": address(IMAGE, id=case.image_id),
                "The pair": address(PAIR, true=case.label, taken=case.predicted),
            },
            "of the case",
        )
    st.caption("Keys: 1 to 6 give a verdict, s skips, u takes the last one back.")

if codings.standing:
    st.header("What readers said")
    show_table(progress_table(codings, len(cases)), "progress")
    causes = {case.image_id: case.cause for case in cases}
    offer_csv(export_table({run: codings}, {run: causes}), f"codings-{run}.csv")
    if pairs := agreements(codings):
        show_table(agreements_table(pairs), "agreements")
        for place, agreement in enumerate(pairs):
            if agreement.n:
                show_table(verdicts_table(agreement), f"agreement {place}")
    show_table(causes_table(verdicts_by_cause(codings.standing, causes), "all readers"), "causes")
