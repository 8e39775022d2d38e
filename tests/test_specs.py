"""Two protocols have one hash only where they do the same."""

from __future__ import annotations

from dataclasses import asdict, fields, replace

import pytest

from repro.specs import Protocol
from tests.proof.protocols import OTHER

AUTHORS = Protocol(size_px=224, crop=0.875)


@pytest.mark.parametrize("name", [field.name for field in fields(Protocol)])
def test_every_field_changes_the_hash_and_is_said(name: str) -> None:
    changed = replace(AUTHORS, **{name: OTHER[name]})
    assert changed.hash != AUTHORS.hash
    assert str(changed) != str(AUTHORS)


def test_the_same_fields_have_the_same_hash() -> None:
    assert Protocol(**asdict(AUTHORS)).hash == AUTHORS.hash
