"""The checks behind the promises, each with a small budget: they run, and find what they should."""

from __future__ import annotations

import pytest

from tests.proof.promises import PROMISES, Skipped, why_broken

QUICK = ("P6", "P7", "P8", "P12", "P13", "P15", "P17")
"""Those that no other test makes already, and that take seconds."""


@pytest.mark.parametrize("promise", [p for p in PROMISES if p.key in QUICK], ids=lambda promise: promise.key)
def test_the_promise_is_kept(promise) -> None:
    try:
        figures = promise.check(**promise.short)
    except Skipped as reason:
        pytest.skip(str(reason))
    assert not why_broken(promise, figures), figures
    assert promise.figure.format(**figures)
