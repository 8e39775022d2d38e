"""Streamlit's own command, `python -m repro.browser run …`, which asks nobody and imports ahead.

The first reader would wait a second for what the pages import: it is done while nobody looks. A visitor from
elsewhere, who is turned away, would make Streamlit ask a server on the internet for this machine's address.
"""

import sys
from importlib import import_module
from threading import Thread

from streamlit import net_util
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


def _ask_nobody() -> None:
    """Streamlit lets in who comes by an address of this machine, and finds out which it has: we let none."""
    for name in ("get_internal_ip", "get_external_ip"):
        setattr(net_util, name, lambda: None)


if __name__ == "__main__":
    _ask_nobody()
    Thread(target=_import_ahead, name="imports", daemon=True).start()
    sys.exit(main())
