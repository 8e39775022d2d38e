"""A question's way to its decision: where evaluation, which gives rows, and analysis, which judges, meet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from repro.analysis.verification import (
    Verification,
    difference_interval,
    excludes,
    region_of,
    verify,
)
from repro.catalogue.questions import Question
from repro.commands.door import tell
from repro.commands.evaluate import interruptible
from repro.commands.progress import ProgressBar
from repro.datasets.sampling import in_random_order
from repro.doctor.dataset_record import describe_dataset
from repro.evaluation.evidence import Evidence, find_stored
from repro.evaluation.plan import Plan
from repro.evaluation.standing import Standing
from repro.exceptions import InvalidRun
from repro.reporting.verification import interval_text
from repro.results.verifications import (
    SCHEMA,
    VerificationRecord,
    VerifiedModel,
    VerifiedPair,
    find_verification,
    verification_path,
    write_verification,
)
from repro.specs import digest

GROWTH = 1.25
"""By how much the images must have grown in number before the interval is computed and shown anew."""


def find_or_decide(question: Question, plan: Plan, alpha: float) -> tuple[VerificationRecord, Path]:
    """The decision that is kept, or a new one that is kept from now on, and where.

    Raises:
        UsageError: no number of these images could decide it, or the device cannot.
        InvalidRun: an image could not be scored.
        DataRefused: an image has changed since a decision or a run that would have served.
        StorageError: what is kept is damaged, or the disk does not take more.
        Busy: another process evaluates the same.
    """
    region_of(question, len(plan.dataset.samples))
    key = digest(
        {
            "question": [question.id, question.models, str(question.stated), str(question.within)],
            "alpha": alpha,
            "seed": plan.request.seed,
            "listing": plan.listing,
            "models": [(c.weights.record.sha256, c.protocol.hash) for c in plan.candidates],
            "manifest": str(plan.manifest),
            "schema": SCHEMA,
        }
        | ({"classes": plan.dataset.classes} if plan.dataset.classes else {})
    )
    path = verification_path(plan.request.runs, question.id, key)
    if known := find_verification(path, key):
        Standing(plan).recognise_images(known.seen, path)
        tell("decided before: nothing is evaluated")
        return known, path
    record = _Decider(question, plan, alpha).run(key)
    write_verification(path, record)
    return record, path


@dataclass(slots=True)
class _Judge:
    """Asks after each shard whether the images so far decide the question, and shows what they say."""

    question: Question
    evidence: Evidence
    alpha: float
    show: Callable[[str, int, int], None]
    found: Verification | None = None
    shown: int = 0

    def __call__(self) -> bool:
        n, most = self.evidence.n, len(self.evidence.order)
        self.found = verify(self.question, self.evidence.rights, most, self.alpha)
        if not self.found and n >= GROWTH * self.shown:
            self.shown = n
            self.show(self._state(most), n, most)
        return self.found is not None

    def _state(self, n: int) -> str:
        pairs = self.question.pairs
        intervals = [
            difference_interval(self.evidence.rights, pair, n, self.alpha / len(pairs)) for pair in pairs
        ]
        return f"difference {'; '.join(interval_text(*interval) for interval in intervals)} points"


class _Decider:
    def __init__(self, question: Question, plan: Plan, alpha: float) -> None:
        self.question, self.plan, self.alpha = question, plan, alpha
        self.order = in_random_order(plan.dataset.samples, plan.request.seed)
        self.evidence = Evidence(question.models, self.order)
        self.run_ids: dict[str, str] = {}

    def run(self, key: str) -> VerificationRecord:
        started = datetime.now(UTC)
        self._take_stored()
        missing = [c for c in self.plan.candidates if c.spec.name not in self.run_ids]
        machine: dict[str, object] = {}
        with ProgressBar() as watcher, interruptible(watcher):
            judge = _Judge(self.question, self.evidence, self.alpha, watcher.tell_state)
            if missing:
                from repro.evaluation.random_pass import score_until

                seed = self.plan.request.seed
                machine = asdict(score_until(self.plan, missing, seed, self.evidence, judge, watcher))
            else:
                judge()
        if judge.found is None:
            raise InvalidRun(
                f"undecided: only {self.evidence.n:,} of {len(self.order):,} images were scored",
                hint="run the same command again",
            )
        return self._record(key, judge.found, machine, started)

    def _take_stored(self) -> None:
        """The rows of finished runs, in place of an evaluation."""
        for candidate in self.plan.candidates:
            if stored := find_stored(self.plan, candidate, self.order):
                self.evidence.add(candidate.spec.name, 0, stored.rows)
                self.run_ids[candidate.spec.name] = stored.run_id
                tell(f"{candidate.spec.name}: the rows of {stored.run_id} are used")

    def _record(
        self, key: str, found: Verification, machine: dict[str, object], started: datetime
    ) -> VerificationRecord:
        from repro.evaluation.environment import describe_code

        question, request = self.question, self.plan.request
        return VerificationRecord(
            key=key,
            claim=question.id,
            says=question.says,
            stated="" if question.stated is None else f"{question.stated:f}",
            within="" if question.within is None else f"{question.within:f}",
            decision=str(found.decision),
            n_used=found.n_used,
            n_evaluated=self.evidence.n,
            alpha=self.alpha,
            seed=request.seed,
            pairs=tuple(
                VerifiedPair(
                    **asdict(pair) | {"side": str(pair.side or "")},
                    excludes_stated=question.stated is not None and excludes(pair, question.stated),
                )
                for pair in found.pairs
            ),
            models=tuple(
                VerifiedModel(
                    candidate.spec.name,
                    candidate.spec.label,
                    candidate.weights.record,
                    candidate.protocol,
                    self.run_ids.get(candidate.spec.name, ""),
                )
                for candidate in self.plan.candidates
            ),
            protocol_name=request.protocol_name,
            dataset=describe_dataset(
                self.plan.dataset, self.evidence.digest(found.n_used), self.plan.manifest
            ),
            seen=self.evidence.seen(found.n_used),
            machine=machine,
            code=describe_code(),
            arguments=request.arguments,
            started=started.isoformat(timespec="seconds"),
            seconds=round((datetime.now(UTC) - started).total_seconds(), 3),
        )
