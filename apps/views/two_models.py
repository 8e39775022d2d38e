"""Under way."""

import streamlit as st

st.write("page two_models", dict(st.query_params))
