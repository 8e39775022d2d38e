"""One image: what each model answers, what it rests on, and what turns the answer."""

import streamlit as st

from repro.browser import runs
from repro.browser.cards import wanted_maps
from repro.browser.gallery import choose_opacity, show_gallery
from repro.browser.image import asked_image, facts_of, map_cards, wrong_answers
from repro.browser.links import CONFUSIONS, PAIR, address, show_links
from repro.browser.photographs import show_photograph
from repro.browser.probing import show_probes, show_size_dial
from repro.browser.sidebar import chosen_runs
from repro.browser.tables import show_table
from repro.browser.texts import plain
from repro.catalogue.classes import class_name
from repro.reporting.image import answers_table, facts_table
from repro.reporting.runs import short_names
from repro.reporting.table import literal

choice = runs.choose(chosen_runs())
image_id, said = asked_image(choice)
names = short_names(list(choice.records.values()))
label = next(iter(said.values()))["label"]
st.title(plain(image_id))
ways = {
    f"{class_name(label)} taken for {class_name(index)}": address(PAIR, true=label, taken=index)
    for index in wrong_answers(said)
}
show_links({"All confusions": address(CONFUSIONS), **ways}, "ways")

left, right = st.columns([1, 2])
with left:
    show_photograph(choice, image_id)
with right:
    show_table(answers_table({names[run]: row for run, row in said.items()}), "answers")
    show_table(facts_table(facts_of(image_id, said, names, runs.study_or_none(chosen_runs()))), "facts")

st.header("What the answer rests on")
left, right = st.columns(2)
with left:
    mapped = wanted_maps(choice, names)
with right:
    choose_opacity()
for name, cards in map_cards(choice, names, image_id, mapped).items():
    st.markdown(f"**{plain(name)}**")
    show_gallery(cards, f"maps {name}", width_px=240)

st.header("What turns the answer")
able = {
    literal(names[run]): record
    for run, record in choice.records.items()
    if not record.imported and run in said
}
if not able:
    st.caption("Probes need the network: these predictions were imported.")
else:
    asked = st.selectbox("Model", list(able), key="model", bind="query-params")
    show_size_dial(able[asked], image_id)
    show_probes(able[asked], image_id)
