"""One evaluation, start to end: `repro eval --models poolformer_s24,deit_s --data /data/imagenet/val`.

One pass over the images serves all models: an image is read and decoded once, cropped once for each
distinct geometry, and the crops go through every model that still needs them. What is scored is kept
shard by shard, so a stopped evaluation goes on where it was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import chain

import pyarrow as pa
import pyarrow.compute as pc

from repro.doctor.dataset_record import describe_dataset
from repro.evaluation.canary import inspect_canary, put_canary_first
from repro.evaluation.complexity import count_complexity
from repro.evaluation.environment import describe_code
from repro.evaluation.exact_fast import ExactFast
from repro.evaluation.image_pass import Arrange, ImagePass, Scoring
from repro.evaluation.low_precision import EXACT_SCHEMA
from repro.evaluation.manner import Manner
from repro.evaluation.plan import Candidate, Plan
from repro.evaluation.scoring import Watcher, forget_failures, gather
from repro.evaluation.shards import Shard
from repro.evaluation.standing import Standing
from repro.evaluation.trial import choose_manners
from repro.results.manifest import changed_images, repeated_images
from repro.results.predictions import OK, SCHEMA
from repro.results.record import Complexity, LowPrecision, ModelRecord, RunRecord
from repro.results.runs import name_run
from repro.results.store import RunFolder
from repro.results.summary import summarise
from repro.specs import digest_each

MakePass = Callable[[Plan, Arrange], ImagePass]
"""Makes the pass over a plan's images."""


@dataclass(frozen=True, slots=True)
class Run:
    """A candidate on its way to a record."""

    candidate: Candidate
    folder: RunFolder
    complexity: Complexity
    scoring: Scoring
    started: datetime
    manner: Manner


def evaluate(plan: Plan, watcher: Watcher, make_pass: MakePass = ImagePass) -> list[RunRecord]:
    """Evaluates the plan's models on its images; a run that is whole already is not repeated.

    `make_pass` says who scores: this process alone, or others too.

    Returns:
        A record for each model, in the plan's order; `invalid` where an image could not be scored.

    Raises:
        UsageError: the device is not there, or a batch does not fit in its memory.
        WeightsRefused: the weights do not fit the network.
        InvalidRun: the canary shows that labels, weights or preprocessing are wrong; or a finished run lacks
            images that this time may not be left out.
        DataRefused: what is kept is of other images.
        StorageError: the disk does not take the results; what was finished is kept.
        Busy: another process evaluates the same.
    """
    return _Evaluation(plan, watcher, make_pass).run()


class _Evaluation:
    """What all the runs of one evaluation share: the plan, and the pass over its images."""

    def __init__(self, plan: Plan, watcher: Watcher, make_pass: MakePass) -> None:
        plan, self.manners = choose_manners(plan)
        self.plan, self.request, self.dataset = plan, plan.request, plan.dataset
        self.watcher = watcher
        self.standing = Standing(plan)
        self.images = make_pass(plan, put_canary_first)

    def run(self) -> list[RunRecord]:
        folders = [self._folder(candidate) for candidate in self.plan.candidates]
        with ExitStack() as locks:
            runs, whole = [], []
            for candidate, folder in zip(self.plan.candidates, folders, strict=True):
                if not folder.is_whole():
                    locks.enter_context(self.images.holding(folder))
                if folder.is_whole():  # asked again: another process may just have finished it
                    whole.append(folder)
                    folder.tidy()
                else:
                    runs.append(self._begin(candidate, folder))
            for folder in whole:
                if record := folder.record():
                    self.standing.require(folder, record)
            self.images.score([run.scoring for run in runs], self.watcher)
            for run in runs:
                self.images.finish_once(run.folder, partial(self._finish, run))
        return [record for folder in folders if (record := folder.record())]

    def _folder(self, candidate: Candidate) -> RunFolder:
        """The folder whose name carries everything that decides the run's bytes."""
        manner = self.manners[candidate.spec.name]
        identity = self.images.identity(candidate, self.plan.listing, manner)
        name = name_run(candidate.spec.name, self.dataset.name, self.request.protocol_name, identity)
        schema = EXACT_SCHEMA if manner.exact_fast else SCHEMA
        return RunFolder(self.request.runs / name, identity, schema)

    def _begin(self, candidate: Candidate, folder: RunFolder) -> Run:
        complexity = count_complexity(candidate.spec, self.request.runs)
        manner = self.manners[candidate.spec.name]
        network = self.images.build(candidate, manner)
        exact_fast = self.images.build_exact_fast(candidate, network) if manner.exact_fast else None
        inspect = partial(self._inspect, candidate, exact_fast)
        return Run(
            candidate=candidate,
            folder=folder,
            complexity=complexity,
            scoring=Scoring(
                candidate, network, folder, inspect, self.standing.recognise_shard, exact_fast, manner.stored
            ),
            started=datetime.now(UTC),
            manner=manner,
        )

    def _inspect(
        self, candidate: Candidate, exact_fast: ExactFast | None, shard: Shard, rows: pa.Table
    ) -> None:
        """Ends an evaluation whose first shard, the canary, shows that it is hopeless."""
        if exact_fast:
            exact_fast.calibration.see(shard, rows)
        if self.request.canary:
            inspect_canary(candidate.spec, self.dataset, shard, rows)

    def _finish(self, run: Run) -> None:
        """Judges the rows and writes them, with the record, as a finished run."""
        rows, low_precision = self._gather(run)
        expected = [sample.image_id for sample in self.dataset.samples]
        changed = changed_images(rows, self.plan.manifest)
        scored = rows.filter(pc.equal(rows["status"], OK))  # two files of no bytes are alike, and no images
        # A published set may have images twice, as ImageNet-Sketch has; `repro doctor` notes it.
        repeated = [] if self.dataset.published else repeated_images(scored)
        spec, weights = run.candidate.spec, run.candidate.weights.record
        waits = self.images.waits
        modes = Counter(mode for mode in rows["image_mode"].to_pylist() if mode)
        record = RunRecord(
            run_id=run.folder.path.name,
            fingerprint=run.folder.fingerprint,
            model=ModelRecord(spec.name, spec.label, spec.token_mixer, str(spec.timm_name), weights),
            protocol_name=self.request.protocol_name,
            protocol=run.candidate.protocol,
            dataset=describe_dataset(self.dataset, _digest_of(rows), self.plan.manifest),
            numerics=replace(self.images.numerics, dtype=run.manner.dtype_name),
            complexity=run.complexity,
            summary=summarise(rows, expected, self.request.allow_unreadable, changed, repeated),
            environment=self.images.environment,
            code=describe_code(),
            arguments=self.request.arguments,
            started=run.started.isoformat(timespec="seconds"),
            seconds=round((datetime.now(UTC) - run.started).total_seconds(), 3),
            image_modes=dict(sorted(modes.items())),
            n_cached=self.images.n_cached,
            waited_seconds=round(waits.seconds(), 3) if waits else None,
            memory_format=run.manner.memory_format,
            low_precision=low_precision,
            labels_file=str(self.request.labels.absolute()) if self.request.labels else "",
        )
        if record.status == "invalid":  # first: a kill in between must not keep what failed
            forget_failures(run.folder, self.images.shards, rows, [*changed, *chain.from_iterable(repeated)])
        run.folder.finish(rows, record)

    def _gather(self, run: Run) -> tuple[pa.Table, LowPrecision | None]:
        """All rows; where checks widened the bound, after what that leaves undecided was computed in fp32."""
        rows = gather(run.folder, self.images.shards)
        exact_fast = run.scoring.exact_fast
        if exact_fast is None:
            return rows, None
        judged = exact_fast.judge(rows, self.images.shards)
        if judged.redo:
            self.images.redo(run.scoring, exact_fast, judged.redo)
            rows = gather(run.folder, self.images.shards)
        return rows, judged.record


def _digest_of(rows: pa.Table) -> str:
    """The digest over the identity of every row, whatever their order."""
    identity = rows.select(["image_id", "sha256", "label"]).sort_by("image_id")
    return digest_each(list(row.values()) for part in identity.to_batches(1000) for row in part.to_pylist())
