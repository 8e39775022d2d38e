"""Two protocols have one hash only where they do the same."""

from __future__ import annotations

from dataclasses import asdict, fields, replace

import pytest

from repro.specs import Protocol, digest, digest_each
from tests.proof.protocols import OTHER

AUTHORS = Protocol(size_px=224, crop=0.875)


@pytest.mark.parametrize("name", [field.name for field in fields(Protocol)])
def test_every_field_changes_the_hash_and_is_said(name: str) -> None:
    changed = replace(AUTHORS, **{name: OTHER[name]})
    assert changed.hash != AUTHORS.hash
    assert str(changed) != str(AUTHORS)


def test_the_same_fields_have_the_same_hash() -> None:
    assert Protocol(**asdict(AUTHORS)).hash == AUTHORS.hash


@pytest.mark.parametrize("values", [[], [["ä", None, 1]], [["a", "b", 2], {"b": 1, "a": 0.5}]])
def test_a_digest_value_by_value_is_that_of_the_list(values: list[object]) -> None:
    assert digest_each(iter(values)) == digest(values)
