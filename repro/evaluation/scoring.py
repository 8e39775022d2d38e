"""One pass over the images for all runs: what is scored is kept shard by shard, then gathered.

Nothing here knows what scores a batch, so the promises about what is kept (every image once, after
any kill and any failure of the disk) are tested without a network.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import pyarrow as pa

from repro.evaluation.ahead import one_ahead
from repro.evaluation.shards import Batch, Shard
from repro.exceptions import StorageError
from repro.results.predictions import OK
from repro.results.store import RunFolder


class Loaded(Protocol):
    """A batch whose images have been read."""

    @property
    def batch(self) -> Batch: ...


LoadedT = TypeVar("LoadedT", bound=Loaded)


class Watcher(Protocol):
    """Who is told how a pass goes; counts are of images.

    `cached` comes where crops are kept: of `total` images `missing` must be decoded, and their crops
    take `n_bytes` in `folder`; `remade` says why a block of them is damaged.
    """

    def cached(self, total: int, missing: int, n_bytes: int, folder: Path) -> None: ...
    def remade(self, reason: str) -> None: ...
    def begin(self, total: int, kept: int) -> None: ...
    def scored(self, n: int) -> None: ...
    def keep(self, n: int) -> None: ...
    def damaged(self, path: Path, reason: StorageError) -> None: ...


class Unwatched:
    """A watcher that tells nobody."""

    def cached(self, total: int, missing: int, n_bytes: int, folder: Path) -> None: ...
    def remade(self, reason: str) -> None: ...
    def begin(self, total: int, kept: int) -> None: ...
    def scored(self, n: int) -> None: ...
    def keep(self, n: int) -> None: ...
    def damaged(self, path: Path, reason: StorageError) -> None: ...


def _accept(*_seen: object) -> None:
    """Goes on whatever the rows say."""


@dataclass(slots=True)
class Scorer(Generic[LoadedT]):
    """A run being written: its folder, and what begins to score a batch and returns what waits for its rows.

    `inspect` sees every finished shard, those kept from before too, and may end the pass by raising;
    `recognise` sees the rows that were kept from before, and refuses those of other images.
    """

    folder: RunFolder
    begin: Callable[[LoadedT], Callable[[], pa.RecordBatch]]
    inspect: Callable[[Shard, pa.Table], None] = _accept
    recognise: Callable[[pa.Table, Path], None] = _accept
    pending: set[int] = field(default_factory=set)


def score_pending(
    scorers: Sequence[Scorer[LoadedT]],
    shards: Sequence[Shard],
    load: Callable[[Sequence[Shard]], Iterable[LoadedT]],
    watcher: Watcher,
    overlap: bool = False,
) -> None:
    """Scores, in one pass over the images, every shard that any of `scorers` still needs.

    `load` gives the batches of the shards it is asked for, in order; `overlap` is that of `score_shards`.
    """
    for scorer in scorers:
        scorer.pending = {shard.index for shard in shards if not is_kept(scorer, shard, watcher)}
    needed = [shard for shard in shards if any(shard.index in scorer.pending for scorer in scorers)]
    n, n_needed = (sum(len(shard.samples) for shard in some) for some in (shards, needed))
    watcher.begin(total=n, kept=n - n_needed)
    if not needed:
        return
    for shard, finished in score_shards(scorers, load(needed), watcher, overlap):
        for scorer, rows in finished:
            scorer.folder.write_shard(shard.index, rows)
            scorer.inspect(shard, rows)
        watcher.keep(len(shard.samples))


def score_shards(
    scorers: Sequence[Scorer[LoadedT]],
    batches: Iterable[LoadedT],
    watcher: Watcher,
    overlap: bool = False,
) -> Iterator[tuple[Shard, list[tuple[Scorer[LoadedT], pa.Table]]]]:
    """Each shard once its last batch is scored, with the rows of every scorer that needs it.

    With `overlap` a batch is begun before the rows of the one before it are waited for.
    """
    scored: defaultdict[int, list[pa.RecordBatch]] = defaultdict(list)
    begun = (_begin(scorers, loaded) for loaded in batches)
    for batch, waiting in one_ahead(begun) if overlap else begun:
        for i, rows in waiting.items():
            scored[i].append(rows())
        watcher.scored(len(batch.samples))
        if batch.last:
            yield batch.shard, [(scorers[i], pa.Table.from_batches(scored.pop(i))) for i in waiting]


def _begin(
    scorers: Sequence[Scorer[LoadedT]], loaded: LoadedT
) -> tuple[Batch, Mapping[int, Callable[[], pa.RecordBatch]]]:
    """The batch, and by the number of each scorer that needs it what waits for its rows."""
    batch = loaded.batch
    return batch, {i: s.begin(loaded) for i, s in enumerate(scorers) if batch.shard.index in s.pending}


def gather(folder: RunFolder, shards: Sequence[Shard]) -> pa.Table:
    """The rows of all shards that are kept.

    Raises:
        StorageError: a shard was damaged after it was written.
    """
    kept = (folder.read_shard(shard.index, shard.image_ids, _refuse) for shard in shards)
    return pa.concat_tables([folder.schema.empty_table(), *(rows for rows in kept if rows is not None)])


def forget_failures(
    folder: RunFolder, shards: Sequence[Shard], rows: pa.Table, doubtful: Collection[str] = ()
) -> None:
    """Drops the shards with images that failed or are doubtful: once mended, the same command scores them."""
    status = dict(zip(rows["image_id"].to_pylist(), rows["status"].to_pylist(), strict=True))
    status |= dict.fromkeys(doubtful, "doubtful")
    for shard in shards:
        if any(status.get(image_id) != OK for image_id in shard.image_ids):
            folder.drop_shard(shard.index)


def _refuse(path: Path, reason: StorageError) -> None:
    raise StorageError(
        f"{reason}; {path.name} is set aside", hint="the same command scores its images again"
    ) from reason


def is_kept(scorer: Scorer[Any], shard: Shard, watcher: Watcher) -> bool:
    """Whether the shard need not be scored; what is there is verified, and inspected."""
    rows = scorer.folder.read_shard(shard.index, shard.image_ids, watcher.damaged)
    if rows is not None:
        scorer.recognise(rows, scorer.folder.path)
        scorer.inspect(shard, rows)
    return rows is not None
