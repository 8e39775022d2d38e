"""`proof.json` as text: `proof.md`, and the block of the README; pure functions of what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

START, END = "<!-- promises -->", "<!-- /promises -->"

Proof = Mapping[str, Any]


def proof_markdown(proof: Proof) -> str:
    """`reports/proof.md`."""
    versions = ", ".join(f"{name} {version}" for name, version in proof["versions"].items())
    seconds = sum(promise["seconds"] or 0 for promise in proof["promises"])
    lines = [
        "# Proof",
        "",
        "What the README promises, and the figure that proves it. Written by `make proof`; do not edit.",
        "",
        f"{versions}; {_duration(seconds)} in all. A commit with a + had changes that were not committed.",
        "",
        "| | Promise | Figure | Outcome | Time | Measured |",
        "|---|---|---|---|---|---|",
        *(_row(promise) for promise in proof["promises"]),
        "",
        _count(proof["promises"]),
    ]
    return "\n".join(lines) + "\n"


def _row(promise: Proof) -> str:
    seconds = "" if promise["seconds"] is None else _duration(promise["seconds"])
    outcome = promise["outcome"] + (f": {promise['why']}" if promise["why"] else "")
    at = f"{promise['date']}, {promise['commit'][:8]}{'+' if promise['dirty'] else ''}" if seconds else ""
    cells = (promise["key"], promise["sentence"], figure_of(promise), outcome, seconds, at)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def figure_of(promise: Proof) -> str:
    """The figure in words; empty where nothing was measured."""
    return str(promise["figure"]).format(**promise["figures"]) if promise["figures"] else ""


def _count(promises: Sequence[Proof]) -> str:
    outcomes = [promise["outcome"] for promise in promises]
    return ", ".join(f"{outcomes.count(outcome)} {outcome}" for outcome in dict.fromkeys(outcomes)) + "."


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def readme_block(proof: Proof) -> str:
    """One line a promise, between the two markers."""
    lines = [_readme_line(promise) for promise in proof["promises"]]
    return "\n".join([START, *lines, END])


def _readme_line(promise: Proof) -> str:
    if promise["outcome"] == "kept":
        return f"- {promise['sentence']} *{figure_of(promise)}.*"
    why = f"comes with {promise['why']}" if promise["outcome"] == "not yet" else promise["why"]
    return f"- {promise['sentence']} *{promise['outcome'].capitalize()}: {why}.*"


def with_block(readme: str, proof: Proof) -> str:
    """The README with the block of `proof` in place of its own.

    Raises:
        ValueError: it does not have both markers, once and in order.
    """
    head, start, rest = readme.partition(START)
    _, end, tail = rest.partition(END)
    if not (start and end) or START in tail or END in tail:
        raise ValueError(f"the README needs {START} and {END}, once each and in this order")
    return head + readme_block(proof) + tail
