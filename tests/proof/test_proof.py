"""What the reports and the README say of the promises is what was measured, and nothing else."""

from __future__ import annotations

import json
from string import Formatter
from typing import Any

import pytest

from tests.proof.__main__ import JSON, MARKDOWN, README, merged
from tests.proof.mutants import CHECKOUT, load_mutants, why_stale
from tests.proof.promises import PROMISES, Promise, why_broken
from tests.proof.report import END, START, proof_markdown, readme_block, with_block

PROOF: dict[str, Any] = {
    "machine": "x86_64, Linux",
    "versions": {"python": "3.11.7"},
    "budget": "full",
    "promises": [
        {
            "key": "P1",
            "sentence": "Nothing is lost.",
            "outcome": "kept",
            "why": "",
            "figure": "{lost} of {kills:,} kills lost a row",
            "figures": {"lost": 0, "kills": 1000},
            "budget": {"n": 1000},
            "seconds": 12.0,
            "date": "2026-08-01",
            "commit": "c" * 40,
            "dirty": True,
        },
        {
            "key": "P9",
            "sentence": "The app is quiet.",
            "outcome": "not yet",
            "why": "the app",
            "figure": "",
            "figures": {},
            "budget": {},
            "seconds": None,
            "date": "2026-08-01",
            "commit": "c" * 40,
            "dirty": True,
        },
    ],
}


@pytest.fixture(scope="module")
def proof() -> dict[str, Any]:
    """What `make proof` measured last."""
    if not JSON.is_file():
        pytest.skip(f"{JSON.name} is not there: `make proof` has not run yet")
    measured: dict[str, Any] = json.loads(JSON.read_text(encoding="utf-8"))
    return measured


def test_the_report_is_what_was_measured(proof: dict[str, Any]) -> None:
    assert MARKDOWN.read_text(encoding="utf-8") == proof_markdown(proof)


def test_the_readme_says_what_was_measured(proof: dict[str, Any]) -> None:
    """`python -m tests.proof --readme` writes it anew."""
    readme = README.read_text(encoding="utf-8")
    assert with_block(readme, proof) == readme


def test_every_promise_was_measured_as_it_is_given(proof: dict[str, Any]) -> None:
    assert proof["budget"] == "full"
    measured = {promise["key"]: promise for promise in proof["promises"]}
    assert list(measured) == [promise.key for promise in PROMISES]
    for promise in PROMISES:
        found = measured[promise.key]
        given = (promise.sentence, promise.figure, dict(promise.full))
        assert (found["sentence"], found["figure"], found["budget"]) == given, promise.key
        assert found["outcome"] in ("kept", "not yet", "skipped"), promise.key
        if found["outcome"] == "kept":
            assert not why_broken(promise, found["figures"]), promise.key


def test_a_promise_has_a_figure_or_says_what_it_waits_for() -> None:
    assert len({promise.key for promise in PROMISES}) == len(PROMISES)
    for promise in PROMISES:
        assert bool(promise.check) == bool(promise.figure) != bool(promise.later), promise.key
        assert promise.full.keys() == promise.short.keys()
        assert bool(promise.check) == bool(promise.some), promise.key
        assert all(name.isidentifier() for _, name, _, _ in Formatter().parse(promise.figure) if name)


def test_the_report_in_full() -> None:
    assert proof_markdown(PROOF) == (
        "# Proof\n\n"
        "What the README promises, and the figure that proves it. Written by `make proof`; do not edit.\n\n"
        "python 3.11.7; 12 s in all. A commit with a + had changes that were not committed.\n\n"
        "| | Promise | Figure | Outcome | Time | Measured |\n"
        "|---|---|---|---|---|---|\n"
        "| P1 | Nothing is lost. | 0 of 1,000 kills lost a row | kept | 12 s | 2026-08-01, cccccccc+ |\n"
        "| P9 | The app is quiet. |  | not yet: the app |  |  |\n\n"
        "1 kept, 1 not yet.\n"
    )


def test_what_is_measured_anew_takes_its_place_among_the_others() -> None:
    first, last = PROMISES[0].key, PROMISES[-1].key
    before = PROOF | {"promises": [{"key": first, "seconds": 1}, {"key": last, "seconds": 2}]}
    now = PROOF | {"promises": [{"key": last, "seconds": 3}]}
    assert [(p["key"], p["seconds"]) for p in merged(before, now)["promises"]] == [(first, 1), (last, 3)]
    with pytest.raises(ValueError, match="versions was"):
        merged(before | {"versions": {"python": "3.12.0"}}, now)


def test_the_readmes_block() -> None:
    lines = "- Nothing is lost. *0 of 1,000 kills lost a row.*\n"
    lines += "- The app is quiet. *Not yet: comes with the app.*"
    assert readme_block(PROOF) == f"{START}\n{lines}\n{END}"
    assert with_block(f"a\n{START}\nold\n{END}\nb", PROOF) == f"a\n{START}\n{lines}\n{END}\nb"


@pytest.mark.parametrize("readme", ["", START, END + START, START + END + START, START + END + END])
def test_a_readme_without_its_markers_is_refused(readme: str) -> None:
    with pytest.raises(ValueError, match="once each"):
        with_block(readme, PROOF)


@pytest.mark.parametrize(
    ("figures", "fault"),
    [
        ({"lost": 0, "flips": 9, "found": 9}, ""),
        ({"lost": 1, "flips": 9, "found": 9}, "lost is 1, not 0"),
        ({"lost": 0, "flips": 9, "found": 8}, "flips is 9, found 8"),
        ({"lost": 0, "flips": 0, "found": 0}, "flips is 0"),
    ],
)
def test_what_breaks_a_promise(figures: dict[str, int], fault: str) -> None:
    promise = Promise("P", "", zero=("lost",), equal=(("flips", "found"),), some=("flips",))
    assert why_broken(promise, figures) == fault


def test_every_mutant_fits_the_product_as_it_is() -> None:
    mutants = load_mutants()
    assert len({mutant.name for mutant in mutants}) == len(mutants)
    stale = {mutant.name: why for mutant in mutants if (why := why_stale(mutant, CHECKOUT))}
    assert not stale
    for mutant in mutants:
        assert all((CHECKOUT / test.partition("::")[0]).is_file() for test in mutant.tests), mutant.name
