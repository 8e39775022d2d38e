"""The ledger of claims as a table, a claim's page, and both as JSON."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from repro.analysis.claim_verdict import ClaimVerdict
from repro.analysis.compare import eval_command
from repro.analysis.ledger import Ledger, LedgerEntry
from repro.catalogue.claims import CountedClaim, Source, ValueClaim
from repro.reporting.table import Column, Group, Table

COLOURS: dict[str, str] = {
    ClaimVerdict.HOLDS: "green",
    ClaimVerdict.OTHER_BASE: "bold yellow",
    ClaimVerdict.WRONG_NETWORK: "bold red",
    ClaimVerdict.DIFFERS: "bold red",
    ClaimVerdict.CONTRADICTION: "bold yellow",
    ClaimVerdict.SUPERSEDED: "yellow",
    ClaimVerdict.NOT_RUN: "dim",
}


def ledger_table(ledger: Ledger) -> Table:
    """A line a claim; its `Note` is the reason, wherever the numbers do not speak for themselves."""
    groups = groupby(ledger.entries, key=lambda entry: entry.source)
    return Table(
        title="What the sources claim, and what is found of it",
        columns=(
            Column("Claim"),
            Column("Says", drop=3),
            Column("Where", drop=4),
            Column("Stated", "right", drop=2),
            Column("Found", "right", drop=1),
            Column("Verdict", colours=COLOURS),
            Column("Note", "right", footnotes=True),
        ),
        groups=tuple(Group(_name(source), tuple(map(_cells, entries))) for source, entries in groups),
        notes=(
            ledger.statement + ".",
            "Accuracy holds when its runs are SAME or REPRODUCED, and are runs of the printed network.",
        ),
        grouped_by="Source",
    )


def claim_table(entry: LedgerEntry) -> Table:
    """All that is known of a claim: what it says and where, the verdict, the working."""
    finding, claim = entry.finding, entry.claim
    command = eval_command(finding.models, "authors") if finding.models else ""
    lines = {
        "Source": _name(entry.source),
        "Where": claim.where,
        "Stated": finding.stated,
        "Found": finding.found,
        "Verdict": str(finding.verdict),
        "Reason": finding.reason,
        "Right is": finding.right,
    }
    rows = [(field, text) for field, text in lines.items() if text]
    rows += [("Working" if not place else "", step) for place, step in enumerate(finding.steps)]
    rows += [("To settle", command)] if command else []
    return Table(
        title=claim.says,
        columns=(Column("Claim"), Column(claim.id, colours=COLOURS)),
        groups=(Group("", tuple(rows)),),
    )


def ledger_json(ledger: Ledger) -> dict[str, Any]:
    return {
        "n": len(ledger.entries),
        "counts": {str(verdict): n for verdict, n in ledger.counts.items()},
        "claims": [claim_json(entry) for entry in ledger.entries],
    }


def claim_json(entry: LedgerEntry) -> dict[str, Any]:
    """Numbers as texts, with the digits and the signs of their source."""
    finding, claim = entry.finding, entry.claim
    return {
        "id": claim.id,
        "says": claim.says,
        "source": entry.source.key,
        "version": entry.source.version,
        "where": claim.where,
        "stated": finding.stated,
        "found": finding.found,
        "verdict": str(finding.verdict),
        "reason": finding.reason,
        "right": finding.right,
        "steps": list(finding.steps),
        "models_to_run": list(finding.models),
    }


def _cells(entry: LedgerEntry) -> tuple[str, ...]:
    finding, claim = entry.finding, entry.claim
    return (
        claim.id,
        claim.says,
        claim.where,
        finding.stated,
        finding.found,
        str(finding.verdict),
        _note(entry),
    )


def _note(entry: LedgerEntry) -> str:
    """A number that holds needs no words beside the one found, unless that rounds otherwise."""
    finding = entry.finding
    is_number = isinstance(entry.claim, ValueClaim | CountedClaim)
    if is_number and finding.verdict is ClaimVerdict.HOLDS:
        return finding.right
    return "; right is: ".join(filter(None, (finding.reason, finding.right)))


def _name(source: Source) -> str:
    return f"{source.title} ({source.version})"
