"""A page of the app, run without a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import patch

import pandas as pd
from streamlit.testing.v1 import AppTest

from repro.results.runs import RUNS_VARIABLE
from tests.conftest import CHECKOUT

SECONDS = 300
"""So long only where something hangs: Streamlit gives a page three, which other tests may take away."""


def open_page(page: str, folder: Path, /, **parameters: Any) -> AppTest:
    """The page at the address that the parameters make, drawn once."""
    at = AppTest.from_file(str(CHECKOUT / "apps" / "errors.py"), default_timeout=SECONDS)
    at.switch_page(f"views/{page}.py")
    for name, value in parameters.items():
        at.query_params[name] = str(value)
    return rerun(at, folder)


def rerun(at: AppTest, runs: Path) -> AppTest:
    """The page drawn again, without an exception."""
    with patch.dict("os.environ", {RUNS_VARIABLE: str(runs)}):
        at.run()
    assert not at.exception
    return at


def frame_with(at: AppTest, column: str) -> pd.DataFrame:
    """The rows of the first table that has this column."""
    return next(table.value for table in at.dataframe if column in table.value)
