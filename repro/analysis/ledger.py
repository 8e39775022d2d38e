"""The ledger: a verdict and its reason for every claim, from the claims, the runs and the counts alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from repro.analysis.architecture import judge_architecture
from repro.analysis.claim_verdict import ClaimVerdict, Finding
from repro.analysis.compare import eval_command
from repro.analysis.measured import Measured
from repro.analysis.paper_claims import judge_contradiction, judge_counted, judge_open, judge_ordering
from repro.analysis.quantity_claims import judge_difference, judge_near, judge_rounding, judge_value
from repro.analysis.ratio_claims import judge_ratio
from repro.catalogue.claims import (
    ArchitectureClaim,
    ContradictionClaim,
    CountedClaim,
    DifferenceClaim,
    NearClaim,
    OpenClaim,
    OrderingClaim,
    RatioClaim,
    RoundingClaim,
    Source,
    StatedClaim,
    ValueClaim,
)
from repro.exceptions import UsageError
from repro.results.record import Complexity, RunRecord
from repro.suggestions import suggest

LONGEST_COMMAND = 8
"""Models that a proposed command may name; with more of them, it settles the first claim only."""


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """A claim of `source`, and what was found of it."""

    source: Source
    claim: StatedClaim
    finding: Finding


@dataclass(frozen=True, slots=True)
class Ledger:
    entries: tuple[LedgerEntry, ...]

    @property
    def counts(self) -> dict[ClaimVerdict, int]:
        """How many claims have each verdict, in the order of `ClaimVerdict`; they add up to all claims."""
        found = Counter(entry.finding.verdict for entry in self.entries)
        return {verdict: found[verdict] for verdict in ClaimVerdict if found[verdict]}

    @property
    def statement(self) -> str:
        counts = "; ".join(f"{n} {verdict}" for verdict, n in self.counts.items())
        return f"{len(self.entries)} claims: {counts}"

    @property
    def command(self) -> str:
        """What would settle the claims that were not run; empty where there are none."""
        waiting = [e.finding.models for e in self.entries if e.finding.verdict is ClaimVerdict.NOT_RUN]
        models = list(dict.fromkeys(model for group in waiting for model in group))
        if len(models) > LONGEST_COMMAND:
            models = list(waiting[0])
        return eval_command(models, "authors") if models else ""

    def of_source(self, key: str) -> Ledger:
        """The claims of one source.

        Raises:
            UsageError: there is none; the message lists them.
        """
        keys = list(dict.fromkeys(entry.source.key for entry in self.entries))
        if key not in keys:
            raise UsageError(f"unknown source {key!r}; there are {', '.join(keys)}", hint="repro claims")
        return Ledger(tuple(entry for entry in self.entries if entry.source.key == key))

    def find(self, claim_id: str) -> LedgerEntry:
        """The claim called `claim_id`.

        Raises:
            UsageError: there is none; the nearest ids are in the message.
        """
        by_id = {entry.claim.id: entry for entry in self.entries}
        if claim_id in by_id:
            return by_id[claim_id]
        suggestion = suggest(claim_id, by_id, most=3, otherwise="no id is like it")
        raise UsageError(f"unknown claim {claim_id!r}; {suggestion}", hint="repro claims")


def build_ledger(
    sources: Sequence[Source], runs: Sequence[RunRecord], complexities: Mapping[str, Complexity]
) -> Ledger:
    """Judges every claim of `sources`; `complexities` are counts by model name."""
    measured = Measured(sources, runs, complexities)
    return Ledger(
        tuple(
            LedgerEntry(source, claim, _JUDGES[type(claim)](claim, measured))
            for source in sources
            for claim in source.claims
        )
    )


_JUDGES: Mapping[type[StatedClaim], Callable[[Any, Measured], Finding]] = {
    ValueClaim: judge_value,
    CountedClaim: judge_counted,
    DifferenceClaim: judge_difference,
    RatioClaim: judge_ratio,
    NearClaim: judge_near,
    OrderingClaim: judge_ordering,
    ArchitectureClaim: judge_architecture,
    ContradictionClaim: judge_contradiction,
    RoundingClaim: judge_rounding,
    OpenClaim: judge_open,
}
