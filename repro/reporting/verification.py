"""A decision as a page: what was decided, after how many images, and what it does not say."""

from __future__ import annotations

import math

from repro.reporting.table import Column, Group, Table
from repro.results.verifications import VerificationRecord, VerifiedPair

_VERBS = {"holds": "holds", "refuted": "is refuted"}


def verification_table(record: VerificationRecord) -> Table:
    """All of a decision in words, a line or two for each pair of models; the notes have its limits."""
    n = record.dataset.n
    scored = f" ({record.n_evaluated:,} scored)" if record.n_evaluated > record.n_used else ""
    lines = [
        ("Decision", f"{_subject(record)} {_VERBS[record.decision]}"),
        ("Images", f"{record.n_used:,} of {n:,} decide it{scored}, in the order of seed {record.seed}"),
        *(("Difference", _difference(record, pair)) for pair in record.pairs),
    ]
    if record.stated:
        lines += [("Stated", f"{_stated(record)}: {_fate(record, pair)}") for pair in record.pairs]
    return Table(
        title=record.says,
        columns=(Column("Verification"), Column(record.claim)),
        groups=(Group("", tuple(lines)),),
        notes=_notes(record),
    )


def interval_text(low: float, high: float) -> str:
    """Fractions as points, rounded outwards: `+0.002 to +2.130`, as one image of 50,000 is 0.002 points."""
    return f"{_signed(math.floor(1e5 * low + 1e-6) / 1e3)} to {_signed(math.ceil(1e5 * high - 1e-6) / 1e3)}"


def _signed(points: float) -> str:
    return f"{points:+.3f}".replace("-", "−") if points else "0.000"


def _difference(record: VerificationRecord, pair: VerifiedPair) -> str:
    labels = {model.name: model.label or model.name for model in record.models}
    interval = f"{interval_text(pair.low, pair.high)} points over all {record.dataset.n:,}"
    sure = f"{100 * (1 - pair.alpha):.4g} % sure" + ("" if pair.side else ", still open")
    return f"{labels[pair.subject]} − {labels[pair.reference]}: {interval} ({sure})"


def _subject(record: VerificationRecord) -> str:
    """What the decision is about: a claim of so many points is not decided with its direction."""
    if record.within:
        return f"the size ({_stated(record)})"
    return "the direction" if record.stated else "the ordering"


def _stated(record: VerificationRecord) -> str:
    margin = f" ± {record.within}" if record.within else ""
    return f"{record.stated}{margin} points"


def _fate(record: VerificationRecord, pair: VerifiedPair) -> str:
    if record.within:
        return {"inside": "which it is", "": "still open"}.get(pair.side, "which it is not")
    return "excluded" if pair.excludes_stated else "not excluded so far"


def _notes(record: VerificationRecord) -> tuple[str, ...]:
    n, partial = record.dataset.n, record.dataset.partial
    wrong = f"{100 * record.alpha:g} %"
    stored = [f"{model.name} from {model.run_id}" for model in record.models if model.run_id]
    notes = [
        f"At most {wrong} of all orders of these {n:,} images decide wrongly, wherever they stop.",
        "This is about the claim, and no estimate for a table: repro eval gives the numbers.",
        *([f"PARTIAL ({partial}): it is about these {n:,} images only."] if partial else []),
        *([f"Rows of finished runs: {', '.join(stored)}."] if stored else []),
    ]
    return tuple(notes)
