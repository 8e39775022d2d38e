"""The readers' verdicts as tables: how far they are, how far they agree, what the causes say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from repro.analysis.agreement import Agreement, CrossTable
from repro.catalogue.classes import class_name
from repro.reporting.table import Column, Group, Table
from repro.results.codings import VERDICTS, Codings


def progress_table(codings: Codings, n_errors: int) -> Table:
    """One row a reader; `n_errors` has the run."""
    return Table(
        title=f"Verdicts of {len(codings.readers)} on {n_errors:,} errors",
        columns=(
            Column("Reader"),
            Column("Coded", "right"),
            Column("Of all (%)", "right"),
            *(Column(verdict, "right", drop=2) for verdict in VERDICTS),
            Column("Last (UTC)", drop=1),
        ),
        groups=(Group("", tuple(_progress(codings, reader, n_errors) for reader in codings.readers)),),
        notes=tuple(_foreign(codings)),
    )


def _progress(codings: Codings, reader: str, n_errors: int) -> tuple[str, ...]:
    own = codings.of_reader(reader).values()
    counts = Counter(coding.verdict for coding in own)
    last = max(coding.at for coding in codings.log if coding.reader == reader)
    return (
        reader,
        f"{len(own):,}",
        f"{100 * len(own) / n_errors:.1f}",
        *(f"{counts[verdict]:,}" for verdict in VERDICTS),
        f"{last:%Y-%m-%d %H:%M}",
    )


def _foreign(codings: Codings) -> list[str]:
    if not codings.n_foreign:
        return []
    rows = "1 row is" if codings.n_foreign == 1 else f"{codings.n_foreign:,} rows are"
    return [f"{rows} left out: of no error of this run."]


def agreements_table(agreements: Sequence[Agreement]) -> Table:
    """One row for every two readers."""
    return Table(
        title="Agreement of every two readers",
        columns=(
            Column("Reader"),
            Column("and"),
            Column("Coded by both", "right"),
            Column("Alike", "right"),
            Column("Alike (%)", "right"),
            Column("Cohen's kappa", "right"),
            Column("95% interval", "right"),
            Column("Note", footnotes=True),
        ),
        groups=(Group("", tuple(map(_agreement_cells, agreements))),),
        notes=(
            "Kappa: 1 is agreement in all, 0 what chance would give. Interval: by the large-sample standard "
            "error of Fleiss, Cohen and Everitt (1969), too narrow for few errors.",
        ),
    )


def _agreement_cells(agreement: Agreement) -> tuple[str, ...]:
    kappa, interval = agreement.kappa, agreement.interval
    unknown = f"no kappa: {agreement.undefined}" if kappa is None else ""
    narrow = "no interval: the standard error is 0 here" if kappa is not None and not interval else ""
    return (
        agreement.first,
        agreement.second,
        f"{agreement.n:,}",
        f"{agreement.n_same:,}",
        f"{100 * agreement.n_same / agreement.n:.1f}" if agreement.n else "",
        "" if kappa is None else f"{kappa:.2f}",
        f"{interval[0]:.2f} to {interval[1]:.2f}" if interval else "",
        unknown or narrow,
    )


def verdicts_table(agreement: Agreement) -> Table:
    """What the one said of an error, and what the other."""
    title = f"{agreement.first} (rows) and {agreement.second} (columns): {agreement.n:,} errors"
    return _cross_table(agreement.table, title, agreement.first)


def causes_table(table: CrossTable, what: str) -> Table:
    """The verdicts beside the automatic causes; `what` says whose verdicts they are."""
    return _cross_table(table, f"Verdicts of {what} by automatic cause: {table.n:,} errors", "Verdict")


def _cross_table(table: CrossTable, title: str, corner: str) -> Table:
    total = tuple(f"{sum(column):,}" for column in zip(*table.counts, strict=True))
    rows = tuple(
        (row, *(f"{n:,}" if n else "" for n in counts), f"{sum(counts):,}")
        for row, counts in zip(table.rows, table.counts, strict=True)
    )
    return Table(
        title=title,
        columns=(
            Column(corner),
            *(Column(column, "right") for column in table.columns),
            Column("all", "right"),
        ),
        groups=(Group("", rows), Group("", (("all", *total, f"{table.n:,}"),))),
    )


def export_table(codings: Mapping[str, Codings], causes: Mapping[str, Mapping[str, str]]) -> Table:
    """Every verdict that counts, with the names of the classes and the automatic cause.

    Args:
        codings: by run.
        causes: by run and image id; where an image has none, the cell is empty.
    """
    rows = tuple(
        (
            run,
            coding.image_id,
            str(coding.label),
            class_name(coding.label),
            str(coding.predicted),
            class_name(coding.predicted),
            coding.reader,
            coding.verdict,
            coding.note,
            causes.get(run, {}).get(coding.image_id, ""),
            coding.at.isoformat(),
        )
        for run, of_run in codings.items()
        for coding in of_run.standing
    )
    return Table(
        title=f"{len(rows):,} verdicts",
        columns=tuple(
            map(
                Column,
                (
                    "run",
                    "image_id",
                    "label",
                    "true class",
                    "predicted",
                    "predicted class",
                    "reader",
                    "verdict",
                    "note",
                    "automatic cause",
                    "at",
                ),
            )
        ),
        groups=(Group("", rows),),
    )
