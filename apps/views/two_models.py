"""Two models image by image: what one gets right and the other not, counted, tested, and shown."""

import streamlit as st

from repro.analysis.outcomes import ONLY_FIRST, OUTCOMES, select_outcome
from repro.browser import runs
from repro.browser.cards import cards, wanted_maps
from repro.browser.gallery import choose_opacity, choose_page, show_gallery
from repro.browser.selection import choose_classes
from repro.browser.sidebar import chosen_runs
from repro.browser.tables import show_table
from repro.browser.texts import plain
from repro.browser.two_models import choose_two, compare_two, show_answers, show_counts
from repro.reporting.paired import finding_sentence, metrics_table, pairs_table
from repro.reporting.runs import short_names

st.title("Two models")
two = choose_two(runs.choose(chosen_runs()))
names = short_names(list(two.records.values()))
called = list(names.values())
found = compare_two(two)
st.markdown(f"**{plain(finding_sentence(found.pair, *called))}**")
show_counts(found.pair.counts, called)
with st.expander("All that was measured"):
    show_table(metrics_table(found.metrics, two.records), "metrics")
    show_table(pairs_table([found.pair]), "paired")

st.header("Where they differ")
left, right = st.columns([3, 2])
outcome = left.segmented_control(
    "Images", OUTCOMES, default=ONLY_FIRST, required=True, key="outcome", bind="query-params"
)
with right:
    classes = choose_classes()
images = select_outcome(found.outcomes, outcome, classes)
if not len(images):
    st.info("No image is like this.", icon=":material/filter_alt_off:")
    st.stop()
st.markdown(f"**{len(images):,} images**")
show_answers(images, outcome, called, "answers")

st.header("Photographs")
st.caption("The most confident of the wrong answers first.")
left, right = st.columns(2)
with left:
    mapped = wanted_maps(two, names, by_default=0)
with right:
    choose_opacity()
image_ids = list(images["image_id"])
shown = image_ids[choose_page(len(image_ids))]
show_gallery(cards(two, names, shown, mapped, {}), "photographs", width_px=300 if mapped else 190)
