"""What is done behind a page, as the page tells of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from streamlit.testing.v1 import AppTest

from repro.browser import background, cards, probing
from repro.explain.jobs import Worker
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


def heat_maps(record: object) -> None:
    from types import SimpleNamespace

    import streamlit as st

    from repro.browser.cards import heat_maps_of

    choice = SimpleNamespace(records={record.run_id: record})
    st.text(f"shown: {list(heat_maps_of(choice, record.run_id, ['image']))}")


def probe(record: object) -> None:
    import streamlit as st

    from repro.browser.probing import show_probes

    show_probes(record, "image")
    st.text("shown: ['image']" if st.session_state.pop("curves", None) else "shown: []")


@pytest.mark.parametrize("page", [heat_maps, probe])
def test_what_was_removed_since_it_was_made_is_made_again_once(
    page: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job that made it is done, and would be taken for the thing itself."""
    kept, wanted = tmp_path / "kept", []

    def perform(one: object) -> Iterator[int]:
        wanted.append(one)
        kept.touch()
        yield 1

    worker = Worker(perform)
    monkeypatch.setattr(background, "_worker", lambda: worker)
    for module in (cards, probing):
        monkeypatch.setattr(module.runs, "run_folder", lambda run: tmp_path)
        monkeypatch.setattr(module, "place_of", lambda record: {})
        monkeypatch.setattr(module, "why_none", lambda record: "")
    monkeypatch.setattr(cards, "kept_maps", lambda run, ids: {i: {} for i in ids} if kept.exists() else {})
    monkeypatch.setattr(cards, "_views", lambda *_: ())
    monkeypatch.setattr(probing, "kept_probe", lambda *_: SimpleNamespace(rows=[]) if kept.exists() else None)
    monkeypatch.setattr(probing, "_show_curves", lambda rows: probing.st.session_state.update(curves=True))
    monkeypatch.setattr(probing, "_show_doses", lambda *_: None)
    record = SimpleNamespace(run_id="run", model=SimpleNamespace(label="Net"))

    def draw(at: AppTest) -> str:
        """The page once what it had asked for has come."""
        at.run()
        if wanted:
            worker.submit(wanted[-1]).wait(SECONDS)
        assert not at.run().exception
        return at.text[0].value

    at = AppTest.from_function(page, args=(record,), default_timeout=SECONDS).run()
    if page is probe:
        at.button(key="probe it").click()
    assert draw(at) == "shown: ['image']"
    kept.unlink()
    assert draw(at) == "shown: ['image']"
    assert len(wanted) == 2
    kept.unlink()
    assert draw(at) == "shown: []"
    assert len(wanted) == 2
    assert any("made twice, and removed since" in said.value.replace("\\", "") for said in at.caption)
    worker.close()
