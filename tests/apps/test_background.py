"""What is done behind a page, as the page tells of it."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

from tests.apps.opening import SECONDS


def two_failures() -> None:
    from pathlib import Path

    from repro.browser.background import watch
    from repro.exceptions import DataRefused
    from repro.explain.jobs import Steps, Worker
    from repro.explain.wanted import Wanted

    def refuse(wanted: Wanted) -> Steps:
        raise DataRefused("the photographs are away", hint="bring them back")
        yield

    worker = Worker(refuse)
    for what in ("heat maps", "probe"):
        job = worker.submit(Wanted(Path(what)))
        job.wait()
        watch([job], what)
    worker.close()


def test_two_things_that_fail_for_one_reason_are_both_told() -> None:
    """Their buttons are two, or the page would be none."""
    at = AppTest.from_function(two_failures, default_timeout=SECONDS).run()
    assert not at.exception
    assert [error.value.partition("\\")[0] for error in at.error] == ["heat maps", "probe"]
    assert len(at.button) == 2
