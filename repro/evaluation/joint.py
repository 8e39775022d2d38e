"""One pass shared by the processes of a launch: each scores the shards that no other one has.

A shard is leased when its first batch is about to be read, so that a faster process does more. Who has
nothing left waits for the others, and takes over what the dead among them had begun.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Generic

from repro.evaluation.launch import Launch
from repro.evaluation.scoring import LoadedT, Scorer, Watcher, is_kept, score_shards
from repro.evaluation.shards import Shard
from repro.exceptions import ProcessLost, StorageError
from repro.results.sharing import Leases
from repro.results.store import RunFolder

POLL_SECONDS = 0.1
"""How often one who waits looks for what the others have done."""

_FINISH = "finish"


@dataclass(slots=True)
class SharedFolder:
    """A run that a launch holds: its leases, and which record was there before."""

    folder: RunFolder
    leases: Leases
    before: tuple[int, int] | None

    def is_over(self) -> bool:
        """Whether a process of the launch has finished the run, be it complete or invalid."""
        return self.folder.stamp() not in (None, self.before)

    def finish_once(self, shards: Sequence[Shard], finish: Callable[[], None]) -> None:
        """Lets one process call `finish`; the others wait until it has.

        Raises:
            StorageError: a shard that was there is not any more.
        """
        while not self.is_over():
            if not self.leases.take(_FINISH):
                time.sleep(POLL_SECONDS)
                continue
            if not self.is_over():
                self._require(shards)
                finish()
            self.leases.give_back(_FINISH)

    def _require(self, shards: Sequence[Shard]) -> None:
        if missing := {shard.index for shard in shards} - self.folder.kept_shards():
            raise StorageError(
                f"{len(missing)} shards of {self.folder.path} were damaged after they were written",
                hint="the same command scores their images again",
            )


@dataclass(slots=True)
class _Part(Generic[LoadedT]):
    """A scorer, its shared folder, and the shards that need not be scored for it any more."""

    scorer: Scorer[LoadedT]
    shared: SharedFolder
    kept: set[int] = field(default_factory=set)

    def lease(self, index: int) -> bool:
        """Whether shard `index` is for this process to score now."""
        name = f"{index:05d}"
        if index in self.kept or not self.shared.leases.take(name):
            return False
        # Only now is it certain: the shard, and the run with it, may have been finished in between.
        if index in self.scorer.folder.kept_shards() or self.shared.is_over():
            self.shared.leases.give_back(name)
            return False
        self.scorer.pending.add(index)
        return True

    def give_back(self, index: int) -> None:
        """Lets others know that shard `index` is kept."""
        if index in self.scorer.pending:
            self.scorer.pending.remove(index)
            self.kept.add(index)
            self.shared.leases.give_back(f"{index:05d}")

    def notice(self, shards: Sequence[Shard], n_first: int, watcher: Watcher) -> None:
        """Learns which of `shards` others have kept; the `n_first` are inspected here as well."""
        if self.shared.is_over():
            self.kept = {shard.index for shard in shards}
            return
        new = self.scorer.folder.kept_shards() - self.kept
        damaged = {i for i in new if i < n_first and not is_kept(self.scorer, shards[i], watcher)}
        self.kept |= new - damaged


class JointScoring(Generic[LoadedT]):
    """What one process of a launch does about `shards`; `folders` are those of `scorers`, in their order.

    How the others are scored may depend on the `n_decisive` first shards: nobody begins with another one
    before these are kept, and have been inspected here. The first shard is always inspected by everyone.
    `overlap` is that of `score_shards`.
    """

    def __init__(
        self,
        launch: Launch,
        scorers: Sequence[Scorer[LoadedT]],
        folders: Sequence[SharedFolder],
        shards: Sequence[Shard],
        watcher: Watcher,
        n_decisive: int = 0,
        overlap: bool = False,
    ) -> None:
        self.parts = [_Part(*pair) for pair in zip(scorers, folders, strict=True)]
        self.scorers, self.shards, self.watcher, self.overlap = scorers, shards, watcher, overlap
        self.decisive = {shard.index for shard in shards[:n_decisive]}
        self.n_first = max(n_decisive, 1)
        self.told: set[int] = set()
        """Shards in the progress so far; another process may still have one of them, for another run."""
        # Each begins at its own place, and reads on from there.
        rest = shards[n_decisive:]
        start = launch.rank % launch.size * len(rest) // launch.size
        self.order = [*shards[:n_decisive], *rest[start:], *rest[:start]]

    def run(self, load: Callable[[Iterable[Shard]], Iterable[LoadedT]]) -> None:
        """Scores and waits until every shard is kept; `load` takes shards as they come.

        Raises:
            ProcessLost: loading ended before all that was asked for had come.
        """
        for part in self.parts:
            part.kept = {s.index for s in self.shards if is_kept(part.scorer, s, self.watcher)}
        self.told = self._done()
        kept = sum(len(shard.samples) for shard in self.shards if shard.index in self.told)
        self.watcher.begin(total=sum(len(shard.samples) for shard in self.shards), kept=kept)
        while len(self._done()) < len(self.shards):
            leased = self._lease()
            if first := next(leased, None):
                self._score(load(chain([first], leased)))
            else:
                time.sleep(POLL_SECONDS)
            self._look_around()

    def _done(self) -> set[int]:
        return set.intersection({s.index for s in self.shards}, *(part.kept for part in self.parts))

    def _lease(self) -> Iterator[Shard]:
        """Shards for this process, each when it is asked for; some may come again later."""
        for shard in self.order:
            if shard.index not in self.decisive and not self.decisive <= self._done():
                return
            leased = [part.lease(shard.index) for part in self.parts]  # for every run that still needs it
            if any(leased):
                yield shard

    def _score(self, batches: Iterable[LoadedT]) -> None:
        for shard, finished in score_shards(self.scorers, batches, self.watcher, self.overlap):
            for scorer, rows in finished:
                scorer.folder.write_shard(shard.index, rows)
                scorer.inspect(shard, rows)
            for part in self.parts:
                part.give_back(shard.index)
            self.watcher.keep(len(shard.samples))
            self.told.add(shard.index)
            self._look_around()
        if unfinished := {index for scorer in self.scorers for index in scorer.pending}:
            raise ProcessLost(
                f"loading ended before the images of {len(unfinished)} shards had come; "
                "what was finished is kept",
                hint="the same command goes on",
            )

    def _look_around(self) -> None:
        """Notices what others have kept."""
        for part in self.parts:
            part.notice(self.shards, self.n_first, self.watcher)
        for index in self._done() - self.told:
            self.told.add(index)
            self.watcher.scored(len(self.shards[index].samples))
            self.watcher.keep(len(self.shards[index].samples))
