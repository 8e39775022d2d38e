"""Under way."""

import streamlit as st

st.write("page coding", dict(st.query_params))
