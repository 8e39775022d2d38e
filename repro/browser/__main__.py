"""Streamlit's own command, `python -m repro.browser run …`, which asks nobody and looks ahead.

A visitor from elsewhere, who is turned away, would make Streamlit ask a server on the internet for this
machine's address. It ends with whoever holds the other end of its stdin.
"""

import os
import signal
import sys
from threading import Thread

from streamlit import net_util
from streamlit.web.cli import main

from repro.browser.ahead import look_ahead


def _ask_nobody() -> None:
    """Streamlit lets in who comes by an address of this machine, and finds out which it has: we let none."""
    for name in ("get_internal_ip", "get_external_ip"):
        setattr(net_util, name, lambda: None)


def _end_with_stdin() -> None:
    """Whoever started this may be killed, and tells nobody then; the system closes the pipe all the same."""
    while os.read(sys.stdin.fileno(), 1024):  # not sys.stdin.read, which Python's own end would wait for
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    _ask_nobody()
    Thread(target=_end_with_stdin, name="end with stdin", daemon=True).start()
    Thread(target=look_ahead, name="look ahead", daemon=True).start()
    sys.exit(main())
