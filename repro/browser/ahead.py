"""What the first reader would wait for, done while the browser still opens: imports, and the first runs."""

from __future__ import annotations

import inspect
from contextlib import suppress
from importlib import import_module

from repro.exceptions import ReproError

HEAVY = ("pandas", "plotly.graph_objects", "pyarrow.parquet")


def look_ahead() -> None:
    """Fills the caches that the pages read, as far as there is something to read; in no page's thread."""
    for name in HEAVY:
        import_module(name)
    inspect.stack()  # Streamlit asks once whether it runs in a console; what that reads is kept
    with suppress(ReproError):  # the page says what is wrong
        _read_what_is_shown_first()


def _read_what_is_shown_first() -> None:
    from repro.browser import runs
    from repro.browser.comparison import build_claims, compare
    from repro.browser.selection import prepare
    from repro.catalogue.tables import load_tables
    from repro.specs import PROTOCOL_NAMES

    found = runs.find_runs()
    if not found.records:
        return
    compare(next(iter(load_tables())), PROTOCOL_NAMES[0])
    build_claims()
    first = set(runs.default_runs(found))
    prepare([record.run_id for record in found.records if record.run_id in first])
