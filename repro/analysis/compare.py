"""A printed table beside what was measured: a verdict and its reason for every row."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import groupby

from repro.analysis.comparability import choose_run, is_local, spec_of, why_not_comparable
from repro.analysis.statistics import wilson_interval
from repro.analysis.verdict import MATCHES, Figure, Verdict, judge_accuracy, judge_count
from repro.catalogue.models import find_model, load_models, published_by_timm
from repro.catalogue.tables import PrintedRow, PrintedTable
from repro.results.record import Complexity, RunRecord
from repro.specs import UNKNOWN_MIXER, ModelSpec

TOKEN_MIXERS = (
    "identity",
    "random",
    "convolution",
    "attention",
    "spatial MLP",
    "pooling",
    "convolution and attention",
    UNKNOWN_MIXER,
)
"""The groups of a comparison, in the papers' order; `unknown` is that of models named `timm:…`."""

NOT_IN_TABLE = "not in this table"

UNSETTLED = frozenset({Verdict.NOT_RUN, Verdict.NOT_COMPARABLE, Verdict.INVALID})
"""Verdicts that another evaluation would change."""


@dataclass(frozen=True, slots=True)
class ComparedRow:
    """A model's row. `interval` holds fractions; `notes` are true whatever the verdict."""

    group: str
    model: str
    label: str
    token_mixer: str
    image_size_px: int | None
    tag: str | None
    params_m: Figure
    macs_g: Figure
    top1_pct: Figure
    n: int | None
    n_expected: int | None
    interval: tuple[float, float] | None
    run_id: str | None
    verdict: Verdict
    reason: str
    notes: tuple[str, ...]
    runnable: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """A printed table beside the runs under one protocol; `rows` stand group by group."""

    table: PrintedTable
    protocol_name: str
    rows: tuple[ComparedRow, ...]

    @property
    def groups(self) -> dict[str, list[ComparedRow]]:
        return {heading: list(rows) for heading, rows in groupby(self.rows, key=lambda row: row.group)}

    @property
    def counts(self) -> dict[Verdict, int]:
        """How many rows have each verdict, in the order of `Verdict`."""
        found = Counter(row.verdict for row in self.rows)
        return {verdict: found[verdict] for verdict in Verdict if found[verdict]}

    @property
    def statement(self) -> str:
        return "Counts: " + ", ".join(f"{n} {verdict}" for verdict, n in self.counts.items())

    @property
    def command(self) -> str:
        """What would settle the rows of the table that can be run; empty where all of them are."""
        open_rows = [row for row in self.rows if row.verdict in UNSETTLED and row.runnable]
        models = [row.model for row in open_rows if row.group != NOT_IN_TABLE]
        return eval_command(models, self.protocol_name) if models else ""


def compare_table(
    table: PrintedTable,
    runs: Sequence[RunRecord],
    complexities: Mapping[str, Complexity],
    protocol_name: str,
) -> Comparison:
    """Lays `table` beside `runs`, and beside the counts in `complexities` (by model name).

    Under `authors` Top-1 is judged by the table's figures, under `timm` by those timm publishes for its
    checkpoints. Models that ran but are not in the table come last, without printed figures.
    """
    by_model: defaultdict[str, list[RunRecord]] = defaultdict(list)
    for run in runs:
        by_model[run.model.name].append(run)
    comparer = _Comparer(table.macs_counter, complexities, protocol_name)
    listed = [comparer.compare(row, find_model(row.model), by_model.get(row.model, [])) for row in table.rows]
    listed.sort(key=lambda row: TOKEN_MIXERS.index(row.group))
    unlisted = [comparer.compare_unlisted(by_model[name]) for name in _unlisted(by_model, table)]
    return Comparison(table, protocol_name, (*listed, *unlisted))


def _unlisted(names: Iterable[str], table: PrintedTable) -> list[str]:
    """Those of `names` that the table does not have, in the catalogue's order."""
    position = {spec.name: i for i, spec in enumerate(load_models())}
    others = set(names) - {row.model for row in table.rows}
    return sorted(others, key=lambda name: (position.get(name, len(position)), name))


def eval_command(models: Sequence[str], protocol_name: str, data: str = "IMAGENET") -> str:
    """The command that runs `models` on `data` under a protocol (`authors` is the default)."""
    protocol = "" if protocol_name == "authors" else f" --protocol {protocol_name}"
    need_files = [spec.name for spec in load_models() if spec.needs_file and spec.name in models]
    weights = "".join(f" --weights {name}=FILE" for name in need_files)
    return f"repro eval --models {','.join(models)} --data {data}{protocol}{weights}"


@dataclass(frozen=True, slots=True)
class _Comparer:
    """Makes the rows; `macs_counter` is the convention of the printed MACs."""

    macs_counter: str
    complexities: Mapping[str, Complexity]
    protocol_name: str

    def compare(self, row: PrintedRow, spec: ModelSpec, runs: Sequence[RunRecord]) -> ComparedRow:
        run = choose_run(runs, spec.protocols.get(self.protocol_name))
        complexity = self.complexities.get(spec.name) or (run.complexity if run else None)
        params = _compare_params(row, complexity)
        macs = self._compare_macs(row, complexity)
        top1 = self._compare_top1(row, spec, run)
        verdict, reason = _judge_together(top1, params, macs, spec)
        return ComparedRow(
            group=spec.token_mixer,
            model=spec.name,
            label=row.label,
            token_mixer=spec.token_mixer,
            image_size_px=row.image_size_px,
            tag=spec.tag,
            params_m=params,
            macs_g=macs,
            top1_pct=top1,
            n=run.summary.n_scored if run else None,
            n_expected=run.dataset.n_expected if run else None,
            interval=_interval(run) if run and top1.measured is not None else None,
            run_id=run.run_id if run else None,
            verdict=verdict,
            reason=reason,
            notes=_notes(spec, run, params, macs, reason),
            runnable=spec.runnable and not spec.needs_file,
        )

    def compare_unlisted(self, runs: Sequence[RunRecord]) -> ComparedRow:
        """A model that ran but is not in the table; it need not even be in the catalogue."""
        spec = spec_of(runs[0].model)
        run = choose_run(runs, spec.protocols.get(self.protocol_name)) or runs[0]
        protocol = run.protocol or spec.protocols.get(self.protocol_name)
        size_px = protocol.size_px if protocol else None
        row = PrintedRow(spec.name, spec.label, size_px, claims={}, superseded={})
        return replace(self.compare(row, spec, [run]), group=NOT_IN_TABLE)

    def _compare_macs(self, row: PrintedRow, complexity: Complexity | None) -> Figure:
        """By the table's counter; where only another one counted, agreement counts and its name is said."""
        counts = complexity.macs if complexity else {}
        counter = self.macs_counter if self.macs_counter in counts else next(iter(counts), None)
        if complexity is None or counter is None:
            return _compare_count(row, "macs_g", None)
        caveats = []
        if counter != self.macs_counter:
            caveats.append(f"counted by {counter}, which leaves out norms")
        if complexity.size_px != row.image_size_px:
            caveats.append(f"counted at {complexity.size_px} px")
        figure = _compare_count(row, "macs_g", Decimal(counts[counter].macs) / 10**9)
        if not caveats:
            return figure
        differs = figure.verdict is Verdict.DIFFERS
        return replace(
            figure,
            verdict=Verdict.NOT_COMPARABLE if differs else figure.verdict,
            reason="; ".join(filter(None, (figure.reason, *caveats))),
        )

    def _compare_top1(self, row: PrintedRow, spec: ModelSpec, run: RunRecord | None) -> Figure:
        printed = self._reference_top1(row, spec)
        if run is None:
            command = eval_command([spec.name], self.protocol_name)
            reason = spec.unavailable or ("needs a file: --weights" if spec.needs_file else command)
            return Figure(Verdict.NOT_RUN, printed, reason=reason)
        if run.summary.invalid or not run.summary.n_scored:
            return Figure(Verdict.INVALID, printed, reason=run.summary.invalid or "no image was scored")
        measured = Decimal(100 * run.summary.top1_correct) / run.summary.n_scored
        if hindrance := why_not_comparable(run, spec.protocols.get(self.protocol_name)):
            return Figure(Verdict.NOT_COMPARABLE, printed, measured, reason=hindrance)
        if printed is None:
            return Figure(Verdict.NOT_PRINTED, None, measured, reason="no figure is printed for it")
        return _or_superseded(judge_accuracy(measured, printed), row, "top1_pct")

    def _reference_top1(self, row: PrintedRow, spec: ModelSpec) -> Decimal | None:
        if "top1_pct" not in row.claims:
            return None
        if self.protocol_name == "timm":
            return published_by_timm().get(spec.tag or "", {}).get("imagenet_top1")
        return row.claims["top1_pct"].printed


def _compare_params(row: PrintedRow, complexity: Complexity | None) -> Figure:
    return _compare_count(row, "params_m", Decimal(complexity.params) / 10**6 if complexity else None)


def _compare_count(row: PrintedRow, quantity: str, measured: Decimal | None) -> Figure:
    printed = row.claims[quantity].printed if quantity in row.claims else None
    if measured is None:
        return Figure(Verdict.NOT_COUNTED, printed)
    if printed is None:
        return Figure(Verdict.NOT_PRINTED, None, measured)
    return _or_superseded(judge_count(measured, printed), row, quantity)


def _or_superseded(figure: Figure, row: PrintedRow, quantity: str) -> Figure:
    reason = row.superseded.get(quantity)
    return replace(figure, verdict=Verdict.SUPERSEDED, reason=reason) if reason else figure


def _judge_together(top1: Figure, params: Figure, macs: Figure, spec: ModelSpec) -> tuple[Verdict, str]:
    """The row's verdict is that on its Top-1, unless another network than the printed one reached it."""
    if top1.verdict in MATCHES and Verdict.DIFFERS in (params.verdict, macs.verdict):
        why = spec.note or "its parameters or MACs are not those printed"
        return Verdict.DIFFERENT, f"right number, wrong network: {why}"
    return top1.verdict, top1.reason


def _notes(
    spec: ModelSpec, run: RunRecord | None, params: Figure, macs: Figure, reason: str
) -> tuple[str, ...]:
    """The catalogue's note where it explains a measured number, and what is special about the run."""
    notes = []
    concerned = run is not None or Verdict.DIFFERS in (params.verdict, macs.verdict)
    if concerned and spec.note and spec.note not in reason:
        notes.append(spec.note)
    if run and is_local(run):
        notes.append("local weights, not pinned")
    if run and run.computed:
        notes.append(run.computed)
    return tuple(notes)


def _interval(run: RunRecord) -> tuple[float, float]:
    return wilson_interval(run.summary.top1_correct, run.summary.n_scored)
