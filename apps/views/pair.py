"""One pair of classes: what they are, who takes which for which, and the photographs."""

import streamlit as st

from repro.browser import runs
from repro.browser.cards import cards, wanted_maps
from repro.browser.gallery import choose_opacity, choose_page, show_gallery
from repro.browser.links import CONFUSIONS, PAIR, address, show_links
from repro.browser.pair import asked_pair, causes_of, errors_of
from repro.browser.sidebar import chosen_runs
from repro.browser.tables import show_table
from repro.browser.texts import plain
from repro.catalogue.classes import class_name
from repro.reporting.confusion import classes_table, ways_table
from repro.reporting.runs import short_names

pair = asked_pair()
there, back = (class_name(index) for index in pair)
st.title(plain(f"{there} taken for {back}"))
show_links(
    {
        "All confusions": address(CONFUSIONS),
        f"{back} taken for {there}": address(PAIR, true=pair[1], taken=pair[0]),
        f"All confusions with {there}": address(CONFUSIONS, **{"class": there}),
    },
    "ways",
)
choice = runs.choose(chosen_runs())
study = runs.study(chosen_runs())
show_table(classes_table(pair), "classes")
show_table(ways_table(pair, study), "who")

st.header("Photographs")
errors = errors_of(pair, study)
if not len(errors):
    st.info("None of these runs takes the one for the other.", icon=":material/check:")
    st.stop()
names = short_names(list(choice.records.values()))
left, right = st.columns(2)
with left:
    mapped = wanted_maps(choice, names)
with right:
    choose_opacity()
image_ids = list(errors["image_id"].unique())
shown = image_ids[choose_page(len(image_ids))]
made = cards(choice, names, shown, mapped, causes_of(errors))
show_gallery(made, "photographs", width_px=300 if mapped else 190)
