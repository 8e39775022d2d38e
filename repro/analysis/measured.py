"""What is known of the models that claims speak of: printed by whom, counted, measured in which run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from repro.analysis.claim_verdict import ClaimVerdict, Finding
from repro.analysis.compare import ComparedRow, compare_table, eval_command
from repro.analysis.verdict import MATCHES, Figure, Verdict
from repro.catalogue.claims import QUANTITY_WORDS, Source
from repro.catalogue.models import find_model, load_models
from repro.catalogue.tables import PrintedRow, PrintedTable
from repro.results.record import Complexity, MacsCount, RunRecord


def catalogue_counts() -> dict[str, Complexity]:
    """The catalogue's own counts by model name: known without torch, and counted again by the tests."""
    return {
        spec.name: Complexity(
            str(spec.timm_name),
            spec.protocols["authors"].size_px,
            spec.params,
            {counter: MacsCount(macs, counter, "catalogue", {}) for counter, macs in spec.macs.items()},
        )
        for spec in load_models()
        if spec.params and spec.protocols
    }


def counts_of(runs: Iterable[RunRecord]) -> dict[str, Complexity]:
    """By model name what was counted with its run, else the catalogue's own counts."""
    return catalogue_counts() | {run.model.name: run.complexity for run in runs if run.complexity}


class Measured:
    """Lays a claim's printed rows beside runs and counts, by the rules of `repro compare-table`."""

    def __init__(
        self, sources: Sequence[Source], runs: Sequence[RunRecord], complexities: Mapping[str, Complexity]
    ) -> None:
        self._sources = sources
        self._complexities = complexities
        self._runs: defaultdict[str, list[RunRecord]] = defaultdict(list)
        for run in runs:
            self._runs[run.model.name].append(run)

    def compare(self, row: PrintedRow, macs_counter: str) -> ComparedRow:
        """The row judged jointly: its Top-1 is no match where Params or MACs are another network's."""
        table = PrintedTable("claim", "", "", macs_counter, (row,))
        return compare_table(table, self._runs[row.model], self._complexities, "authors").rows[0]

    def printed_by_others(
        self, source: str, subject: str, reference: str, quantity: str
    ) -> dict[str, tuple[Decimal, Decimal]]:
        """By other source: its numbers of both models, where no source before it prints the same."""
        own = next((s for s in self._sources if s.key == source), None)
        seen = {_numbers(own, subject, reference, quantity)} if own else set()
        found = {}
        for other in self._sources:
            numbers = _numbers(other, subject, reference, quantity)
            if numbers and numbers not in seen:
                found[other.key] = numbers
            seen.add(numbers)
        return found


def _numbers(source: Source, subject: str, reference: str, quantity: str) -> tuple[Decimal, Decimal] | None:
    rows = (source.rows.get(subject), source.rows.get(reference))
    claims = [row.claims[quantity] for row in rows if row and quantity in row.claims]
    return (claims[0].printed, claims[1].printed) if len(claims) == 2 else None


def figure_of(compared: ComparedRow, quantity: str) -> Figure:
    figures = {"params_m": compared.params_m, "macs_g": compared.macs_g, "top1_pct": compared.top1_pct}
    return figures[quantity]


def count_finding(compared: ComparedRow, quantity: str) -> Finding:
    """What the counts say of a row's parameters or MACs."""
    figure, spec = figure_of(compared, quantity), find_model(compared.model)
    _, name, unit = QUANTITY_WORDS[quantity]
    shown = "" if figure.measured is None else f"{figure.measured:.3f}"
    found = f"{shown} {unit} counted"
    match figure.verdict:
        case Verdict.AGREES:
            verdict, reason = ClaimVerdict.HOLDS, "; ".join(filter(None, (found, figure.reason)))
        case Verdict.DIFFERS:
            verdict, reason = ClaimVerdict.DIFFERS, "; ".join(filter(None, (found, spec.note)))
        case Verdict.SUPERSEDED:
            verdict, reason = ClaimVerdict.SUPERSEDED, f"{figure.reason}; {found}"
        case Verdict.NOT_COMPARABLE:
            verdict, reason = ClaimVerdict.NOT_RUN, f"{found}, but {figure.reason}"
        case _:
            verdict = ClaimVerdict.OUTSIDE
            reason = f"{spec.unavailable or 'its input size is not known'}: there is no network to count"
    return Finding(verdict, reason, found=shown, steps=(_step(compared, name, figure, unit),))


def accuracy_finding(compared: ComparedRow) -> Finding:
    """What the runs say of a row's Top-1: judged jointly with its parameters and MACs."""
    spec, figure = find_model(compared.model), compared.top1_pct
    models: tuple[str, ...] = ()
    match compared.verdict:
        case Verdict.SAME | Verdict.REPRODUCED:
            verdict = ClaimVerdict.HOLDS
            reason = f"{figure.measured:.3f} % measured: {compared.verdict}, {compared.reason}"
        case Verdict.DIFFERENT if figure.verdict in MATCHES:
            verdict = ClaimVerdict.WRONG_NETWORK
            reason = f"{figure.measured:.3f} % measured, but {compared.reason.partition(': ')[2]}"
        case Verdict.DIFFERENT:
            verdict, reason = ClaimVerdict.DIFFERS, f"{figure.measured:.3f} % measured: {compared.reason}"
        case Verdict.SUPERSEDED:
            verdict, reason = ClaimVerdict.SUPERSEDED, figure.reason
        case _ if spec.unavailable:
            public = spec.unavailable != "weights not public"
            verdict = ClaimVerdict.OUTSIDE if public else ClaimVerdict.NOT_PUBLIC
            reason = "; ".join(filter(None, (spec.label, spec.unavailable, spec.note))).replace("; ", ": ", 1)
        case Verdict.NOT_RUN:
            verdict, models = ClaimVerdict.NOT_RUN, (spec.name,)
            reason = eval_command([spec.name], "authors")
        case _:
            verdict, models = ClaimVerdict.NOT_RUN, (spec.name,)
            reason = f"its run settles nothing: {compared.verdict}, {compared.reason}"
    shown = "" if figure.measured is None else f"{figure.measured:.3f}"
    return Finding(
        verdict, reason, found=shown, steps=(_step(compared, "Top-1", figure, "%"),), models=models
    )


def _step(compared: ComparedRow, name: str, figure: Figure, unit: str) -> str:
    printed = "nothing" if figure.printed is None else f"{figure.printed:f} {unit}"
    if figure.measured is None:
        return f"{compared.label}, {name}: {printed} printed"
    how = f"measured in {compared.run_id}" if name == "Top-1" else "counted"
    return (
        f"{compared.label}, {name}: {printed} printed, {figure.measured:.3f} {unit} {how}: {figure.verdict}"
    )
