"""Streamlit's own command, `python -m repro.browser run …`, with what the pages need imported meanwhile.

The first reader would wait a second for these imports: they are done while nobody looks.
"""

import sys
from importlib import import_module
from threading import Thread

from streamlit.web.cli import main

HEAVY = (
    "pandas",
    "plotly.graph_objects",
    "pyarrow.parquet",
    "repro.browser.selection",
    "repro.browser.comparison",
)


def _import_ahead() -> None:
    for name in HEAVY:
        import_module(name)


if __name__ == "__main__":
    Thread(target=_import_ahead, name="imports", daemon=True).start()
    sys.exit(main())
