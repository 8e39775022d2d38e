"""The error browser: `repro app`, or `streamlit run apps/errors.py` from the repository's root."""

import logging

import streamlit as st

from repro.browser.sidebar import show_sidebar
from repro.browser.texts import show_error
from repro.exceptions import ReproError

st.set_page_config(page_title="repro", layout="wide")

page = st.navigation(
    [
        st.Page("views/overview.py", title="Overview", default=True),
        st.Page("views/confusions.py", title="Confusions"),
        st.Page("views/pair.py", title="A pair"),
        st.Page("views/image.py", title="An image"),
        st.Page("views/two_models.py", title="Two models"),
        st.Page("views/coding.py", title="Coding"),
    ],
    position="hidden",
)
try:
    with st.spinner("Reading the runs and their predictions"):  # shown only where it takes long
        show_sidebar(page.title)
        page.run()
except ReproError as error:
    show_error(error)
except Exception:  # the reader sees no traceback; whoever runs the app does
    logging.getLogger("repro").exception("the page %r failed", page.title)
    st.error("This page failed, which is a fault of the app. The terminal that it runs in says where.")
