"""The findings of `repro doctor` as a table."""

from __future__ import annotations

from repro.catalogue.classes import class_name
from repro.doctor.examine import Examination
from repro.reporting.table import Column, Group, Table

_COLOURS = {"ok": "green", "note": "yellow", "refused": "bold red"}


def findings_table(examination: Examination, n_proposed: int | None = 10) -> Table:
    """One row a check, then the first `n_proposed` of the labels that the images seem to show."""
    dataset = examination.dataset
    proposed = list(examination.order.proposed.items())
    labels = [
        ("right label?", "", f"label {given} ({class_name(given)}) is class {c} ({class_name(c)})")
        for given, c in proposed[:n_proposed]
    ]
    left = len(proposed) - len(labels)
    return Table(
        title=f"{dataset.name}: {dataset.kind}, labels from {dataset.labels_from}",
        columns=(Column("Check"), Column("Verdict", colours=_COLOURS), Column("Finding")),
        groups=(
            Group("", tuple((f.check, f.verdict, f.text) for f in examination.findings)),
            Group("", tuple(labels)),
        ),
        notes=(f"{left:,} more labels to mend: --format csv lists them all.",) if left else (),
    )
