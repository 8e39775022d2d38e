"""Shards and batches: each sample once, no batch across shards, whatever the sizes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from repro.evaluation.shards import SHARD_IMAGES, cut_batches, plan_shards
from repro.specs import Sample


@given(st.integers(1, 900), st.integers(1, 600))
def test_every_sample_is_in_one_batch_of_one_shard(n: int, batch_size: int) -> None:
    samples = [Sample(str(i), str(i), 0) for i in range(n)]
    shards = plan_shards(samples, batch_size)
    batches = list(cut_batches(shards, batch_size))
    assert [s for batch in batches for s in batch.samples] == samples
    assert all(len(batch.samples) <= batch_size for batch in batches)
    assert [batch.shard for batch in batches if batch.last] == list(shards)
    # Only a shard's last batch may be short: a resumed run has the batches of an unbroken one.
    assert all(len(b.samples) == batch_size for b in batches if not b.last)
    assert all(len(shard.samples) % batch_size == 0 for shard in shards[:-1])
    assert all(len(shard.samples) <= max(SHARD_IMAGES, batch_size) for shard in shards)


@given(st.integers(1, 900), st.integers(1, 300), st.data())
def test_batches_of_the_shards_left_are_those_of_all(n: int, batch_size: int, data: st.DataObject) -> None:
    shards = plan_shards([Sample(str(i), str(i), 0) for i in range(n)], batch_size)
    left = [shard for shard in shards if data.draw(st.booleans())]
    everything = cut_batches(shards, batch_size)
    assert list(cut_batches(left, batch_size)) == [batch for batch in everything if batch.shard in left]
