"""The pair of classes that a page is about: which it is, and its errors."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from repro.analysis.error_study import ErrorStudy
from repro.exceptions import UsageError
from repro.specs import N_CLASSES

Pair = tuple[int, int]


def asked_pair() -> Pair:
    """The classes that the address names.

    Raises:
        UsageError: it names none, or what is no class.
    """
    true, taken = (_class(name) for name in ("true", "taken"))
    if true == taken:
        raise UsageError("the address names one class twice; a pair is of two")
    return true, taken


def _class(name: str) -> int:
    text = st.query_params.get(name, "")
    if not (text.isascii() and text.isdecimal() and len(text) <= 4 and int(text) < N_CLASSES):
        raise UsageError(
            f"the address has {name}={text[:40]!r}, which is no class from 0 to {N_CLASSES - 1}; "
            "choose a pair among the confusions"
        )
    return int(text)


def errors_of(pair: Pair, study: ErrorStudy) -> pd.DataFrame:
    """The errors either way, `pair`'s own way first, the most confident first within each."""
    errors = study.errors
    ways = [
        errors[(errors["label"] == label) & (errors["predicted"] == predicted)].sort_values(
            ["p_predicted", "image_id"], ascending=[False, True], kind="stable"
        )
        for label, predicted in (pair, pair[::-1])
    ]
    return pd.concat(ways)


def causes_of(errors: pd.DataFrame) -> dict[str, str]:
    """The cause of each image's first error."""
    first = errors.drop_duplicates("image_id")
    return dict(zip(first["image_id"], first["cause"], strict=True))
