"""Models on images in a random order, until what they got right is enough; no run comes of it.

The shards stay in `runs/verifications/`: after a kill the same command goes on, and another question on
the same images in the same order begins with what is there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial

import pyarrow as pa

from repro.datasets.sampling import in_random_order
from repro.evaluation.canary import inspect_canary
from repro.evaluation.evidence import Evidence
from repro.evaluation.image_pass import ImagePass, Scoring
from repro.evaluation.plan import Candidate, Plan
from repro.evaluation.scoring import Watcher, forget_failures
from repro.evaluation.shards import Shard
from repro.evaluation.standing import Standing
from repro.exceptions import InvalidRun
from repro.results.manifest import changed_images
from repro.results.record import Numerics
from repro.results.runs import name_run
from repro.results.store import RunFolder
from repro.results.summary import summarise
from repro.results.verifications import verifications_folder
from repro.specs import Sample, digest


class _Enough(Exception):
    """Ends the pass; no error."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Where the predictions were made, for the record."""

    numerics: Numerics
    environment: Mapping[str, str]


def score_until(
    plan: Plan,
    candidates: Sequence[Candidate],
    seed: int,
    evidence: Evidence,
    enough: Callable[[], bool],
    watcher: Watcher,
) -> Machine:
    """Adds to `evidence` what `candidates` predict, shard by shard in its order, until that is `enough`.

    Raises:
        UsageError: the device is not there, or a batch does not fit in its memory.
        WeightsRefused: the weights do not fit the network.
        DataRefused: what is kept is of other images.
        InvalidRun: an image could not be scored, or the canary shows that something is wrong.
        StorageError: the disk does not take the results; what was finished is kept.
        Busy: another process evaluates the same.
    """
    return _RandomPass(plan, seed, evidence, enough).run(candidates, watcher)


class _RandomPass:
    def __init__(self, plan: Plan, seed: int, evidence: Evidence, enough: Callable[[], bool]) -> None:
        self.plan, self.evidence, self.enough = plan, evidence, enough
        self.images = ImagePass(plan, partial(_arrange, seed))
        self.listing = digest(["in random order", seed, plan.listing])

    def run(self, candidates: Sequence[Candidate], watcher: Watcher) -> Machine:
        standing = Standing(self.plan)
        with ExitStack() as locks, suppress(_Enough):
            scorings = []
            for candidate in candidates:
                folder = self._folder(candidate)
                locks.enter_context(folder.locked())
                inspect = partial(self._inspect, candidate, folder)
                network = self.images.build(candidate)
                scorings.append(Scoring(candidate, network, folder, inspect, standing.recognise_shard))
            self.images.score(scorings, watcher)
        return Machine(self.images.numerics, self.images.environment)

    def _folder(self, candidate: Candidate) -> RunFolder:
        identity = self.images.identity(candidate, self.listing)
        name = name_run(
            candidate.spec.name, self.plan.dataset.name, self.plan.request.protocol_name, identity
        )
        return RunFolder(verifications_folder(self.plan.request.runs) / name, identity)

    def _inspect(self, candidate: Candidate, folder: RunFolder, shard: Shard, rows: pa.Table) -> None:
        """Adds a finished shard to the evidence."""
        changed = changed_images(rows, self.plan.manifest)
        if invalid := summarise(rows, shard.image_ids, changed=changed).invalid:
            forget_failures(folder, [shard], rows, changed)
            raise InvalidRun(
                f"{candidate.spec.name}: {invalid}; nothing is decided without them",
                hint="mend the images, then run the same command again",
            )
        if self.plan.request.canary:  # the first shard is a random sample here, which is as good
            inspect_canary(candidate.spec, self.plan.dataset, shard, rows)
        before = self.evidence.n
        first_shard_size = len(self.images.shards[0].samples)
        self.evidence.add(candidate.spec.name, shard.index * first_shard_size, rows)
        if self.evidence.n > before and self.enough():
            raise _Enough


def _arrange(seed: int, samples: Sequence[Sample], _first_shard: int) -> list[Sample]:
    return in_random_order(samples, seed)
