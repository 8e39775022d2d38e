"""Under way."""

import streamlit as st

st.write("page pair", dict(st.query_params))
