"""What names and paths in results may not do, where no browser is needed to see it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from repro.browser.pairs import header_of
from repro.browser.photographs import photograph, why_none
from repro.browser.runs import data_root, labels_file
from repro.browser.texts import plain
from repro.exceptions import DataRefused, StorageError
from repro.reporting.table import literal
from repro.results.heat_maps import load_maps
from repro.results.record import RunRecord
from repro.results.runs import DATA_VARIABLE, LABELS_VARIABLE, RUNS_VARIABLE, read_record
from repro.results.survey import survey
from repro.specs import digest
from tests.browser.hostile import (
    IMAGE_ID,
    SECRET,
    Elsewhere,
    record_of,
    row_of,
    write_elsewhere,
    write_maps,
    write_run,
)
from tests.browser.payloads import PAYLOADS

MADE_OF_TEXT = re.compile(r"https?://|www\.|\S@\S|:[\w+-]+:|<-|->|--|>=|<=|~=", re.IGNORECASE)
"""What Streamlit makes something of in a text whose escapes are gone: addresses, icons, arrows."""


@pytest.mark.parametrize("name", PAYLOADS)
def test_no_character_of_a_text_acts_in_markdown(name: str) -> None:
    shown = plain(PAYLOADS[name])
    texts = [re.sub(r"\\([!-/:-@\[-`{-~])", "", part) for part in shown.split(":small[]")]
    assert not re.search(r"[!-/:-@\[-`{-~]", "".join(texts))
    unescaped = [re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", part) for part in shown.split(":small[]")]
    assert not any(map(MADE_OF_TEXT.search, unescaped))
    assert "".join(unescaped) == re.sub(r"\s+", " ", literal(PAYLOADS[name])).strip()


def test_a_run_called_like_a_column_does_not_take_its_place() -> None:
    assert [header_of(name) for name in ("ResNet50", "Errors", "\u202eErrors")] == [
        "ResNet50",
        "Errors ",
        "\\u202eErrors",
    ]


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Elsewhere]:
    import streamlit as st

    found = write_elsewhere(tmp_path)
    monkeypatch.setenv(RUNS_VARIABLE, str(found.runs))
    for variable in (DATA_VARIABLE, LABELS_VARIABLE):
        monkeypatch.delenv(variable, raising=False)
    yield found
    st.cache_resource.clear()


def record_in(runs: Path, run: str) -> RunRecord:
    return read_record(runs / run / "run.json")


def test_only_a_run_that_knows_the_bytes_shows_them(elsewhere: Elsewhere) -> None:
    assert photograph(record_in(elsewhere.runs, elsewhere.honest), IMAGE_ID).size == (64, 48)
    for run in elsewhere.run_ids:
        with pytest.raises(DataRefused) as refused:
            photograph(record_in(elsewhere.runs, run), IMAGE_ID)
        assert SECRET not in str(refused.value) and "root:" not in str(refused.value)


def test_labels_that_a_run_names_are_not_quoted(elsewhere: Elsewhere) -> None:
    reason = why_none(record_in(elsewhere.runs, "run-labels"))
    assert "do not go with the labels that the run names" in reason
    assert SECRET not in reason


def test_with_a_place_told_no_path_of_a_run_is_taken(
    elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = record_in(elsewhere.runs, "run-labels")
    assert data_root(record) == Path(record.dataset.root)
    assert labels_file(record) is not None
    monkeypatch.setenv(DATA_VARIABLE, "/images")
    assert (data_root(record), labels_file(record)) == (Path("/images"), None)


@pytest.mark.parametrize("run", ["run-up", "run-home", "run-file-URI", "run-web", "run-share-of-Windows"])
def test_a_root_that_is_no_path_of_this_machine_is_not_taken(elsewhere: Elsewhere, run: str) -> None:
    assert data_root(record_in(elsewhere.runs, run)) is None


def _nest(_: Any) -> Any:
    value: Any = "evil"
    for _depth in range(400):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("field", "change", "reason"),
    [
        ("started", lambda _: 3, "it.started is int, not str"),
        ("seconds", lambda _: "long", "it.seconds is str, not float"),
        ("schema", lambda _: True, "it.schema is bool"),
        ("model", lambda model: model | {"label": ["evil"]}, "it.model.label is list, not str"),
        ("model", lambda model: model | {"label": None}, "it.model.label is NoneType, not str"),
        ("model", lambda model: model | {"label": "\ud800"}, "surrogates not allowed"),
        ("model", lambda model: model | {"weights": "evil"}, "TypeError"),
        ("dataset", lambda dataset: dataset | {"root": _nest(0)}, "it.dataset.root is list"),
        ("dataset", lambda dataset: dataset | {"classes": ["0"]}, "it.dataset.classes[0] is str"),
        ("protocol", lambda protocol: protocol | {"size_px": "224"}, "it.protocol.size_px is str"),
        ("environment", lambda _: {"python": 3}, "it.environment.python is int, not str"),
        ("arguments", lambda _: 5, "TypeError"),
        ("summary", lambda summary: summary | {"n": 1.5}, "it.summary.n is float, not int"),
    ],
)
def test_a_record_of_other_types_is_damaged(
    tmp_path: Path, field: str, change: Callable[[Any], Any], reason: str
) -> None:
    write_run(tmp_path, record_of("plain", "run-x", "2026"), [row_of("x", "x", None)])
    path = tmp_path / "run-x" / "run.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    values.pop("sha256")
    values[field] = change(values[field])
    path.write_text(json.dumps(values | {"sha256": digest(values)}), encoding="utf-8")
    with pytest.raises(StorageError, match=re.escape(reason)):
        read_record(path)
    assert list(survey(tmp_path).left_out) == ["run-x"]


@pytest.mark.parametrize("changes", [{"label": -5}, {"label": 1000}, {"top5": [-1, 2, 3, 4, 5]}])
def test_classes_that_are_none_are_damage(tmp_path: Path, changes: dict[str, object]) -> None:
    """A negative index would quietly be another class."""
    write_run(tmp_path, record_of("plain", "run-x", "2026"), [row_of("x", "x", None) | changes])
    assert "not 0 to 999" in survey(tmp_path).left_out["run-x"]


@pytest.mark.parametrize("name", ["<b>run</b>".replace("/", ""), "run \u202e", "run run"])
def test_a_run_by_an_impossible_name_is_left_out(tmp_path: Path, name: str) -> None:
    write_run(tmp_path, record_of("plain", name, "2026"), [row_of("x", "x", None)])
    assert not survey(tmp_path).records
    assert "no run is called so" in survey(tmp_path).left_out[name]


def test_a_map_of_another_size_is_damage(tmp_path: Path) -> None:
    write_maps(tmp_path, ["x"])
    assert load_maps(tmp_path, ["x"]).num_rows == 3
    write_maps(tmp_path, ["x"], side=3)
    with pytest.raises(StorageError, match="other sizes"):
        load_maps(tmp_path, ["x"])
