"""How the images are cut into shards and batches: always the same way, so that a run can be resumed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from repro.specs import Sample

SHARD_IMAGES = 256
"""What a kill can cost, at the most; a shard is a whole number of batches."""


@dataclass(frozen=True, slots=True)
class Shard:
    """A fixed run of samples: the unit that is written, and resumed from."""

    index: int
    samples: tuple[Sample, ...]

    @property
    def image_ids(self) -> list[str]:
        return [sample.image_id for sample in self.samples]


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples of one shard; `last` ends the shard."""

    shard: Shard
    samples: tuple[Sample, ...]
    last: bool


def shard_size(batch_size: int, most: int | None = None) -> int:
    """Images in a shard: whole batches of at most `most` images (SHARD_IMAGES), else one batch."""
    return max((most or SHARD_IMAGES) // batch_size, 1) * batch_size


def plan_shards(samples: Sequence[Sample], batch_size: int, most: int | None = None) -> tuple[Shard, ...]:
    """Cuts `samples` into shards, always the same for the same batch size; `most` as in `shard_size`."""
    size = shard_size(batch_size, most)
    starts = range(0, len(samples), size)
    return tuple(Shard(i, tuple(samples[start : start + size])) for i, start in enumerate(starts))


def cut_batches(shards: Iterable[Shard], batch_size: int) -> Iterator[Batch]:
    """The batches of `shards`, each of which is asked for no earlier than its first batch.

    None crosses a shard, so a resumed run has the batches of an unbroken one.
    """
    for shard in shards:
        for start in range(0, len(shard.samples), batch_size):
            samples = shard.samples[start : start + batch_size]
            yield Batch(shard, samples, start + batch_size >= len(shard.samples))
