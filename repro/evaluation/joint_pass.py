"""The pass over the images of one process among several: `torchrun --nproc-per-node=2 -m repro eval …`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from repro.evaluation.image_pass import Arrange, ImagePass, Scoring, geometries_of
from repro.evaluation.joint import JointScoring, SharedFolder
from repro.evaluation.launch import Launch
from repro.evaluation.loading import LoadedBatch
from repro.evaluation.plan import Plan
from repro.evaluation.scoring import Watcher
from repro.evaluation.shards import Shard
from repro.results.store import RunFolder
from repro.specs import Geometry


class JointPass(ImagePass):
    """Shares runs and shards with the other processes of `launch`."""

    def __init__(self, plan: Plan, arrange: Arrange, launch: Launch) -> None:
        super().__init__(plan, arrange)
        self.launch = launch
        self._shared: dict[Path, SharedFolder] = {}

    @contextmanager
    def holding(self, folder: RunFolder) -> Iterator[None]:
        before = folder.stamp()
        with folder.shared(self.launch.name) as leases:
            self._shared[folder.path] = SharedFolder(folder, leases, before)
            yield

    def score(self, scorings: Sequence[Scoring], watcher: Watcher) -> None:
        folders = [self._shared[s.folder.path] for s in scorings]
        # What is computed in fp32 follows from the first shards, for every process alike.
        n_decisive = max((s.exact_fast.calibration.n_shards for s in scorings if s.exact_fast), default=0)
        joint = JointScoring(
            self.launch, self.scorers(scorings), folders, self.shards, watcher, n_decisive, self.overlaps
        )
        joint.run(partial(self.load, geometries_of(scorings), watcher=watcher))

    def finish_once(self, folder: RunFolder, finish: Callable[[], None]) -> None:
        self._shared[folder.path].finish_once(self.shards, finish)

    def load(
        self, geometries: frozenset[Geometry], shards: Iterable[Shard], watcher: Watcher | None = None
    ) -> Iterator[LoadedBatch]:
        """As the pass of a process alone does; each batch is a sign of life."""
        for loaded in super().load(geometries, shards, watcher):
            for shared in self._shared.values():
                shared.leases.renew()
            yield loaded
