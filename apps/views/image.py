"""Under way."""

import streamlit as st

st.write("page image", dict(st.query_params))
