"""Streamlit's own command, `python -m repro.browser run …`, which asks nobody and looks ahead.

A visitor from elsewhere, who is turned away, would make Streamlit ask a server on the internet for this
machine's address.
"""

import sys
from threading import Thread

from streamlit import net_util
from streamlit.web.cli import main

from repro.browser.ahead import look_ahead


def _ask_nobody() -> None:
    """Streamlit lets in who comes by an address of this machine, and finds out which it has: we let none."""
    for name in ("get_internal_ip", "get_external_ip"):
        setattr(net_util, name, lambda: None)


if __name__ == "__main__":
    _ask_nobody()
    Thread(target=look_ahead, name="look ahead", daemon=True).start()
    sys.exit(main())
