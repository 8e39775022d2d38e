from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.datasets import Dataset, limit
from repro.datasets.class_folders import ClassFolders
from repro.datasets.sampling import in_random_order
from repro.exceptions import UsageError
from repro.specs import Sample


def dataset_of(labels: list[int]) -> Dataset:
    samples = [Sample(f"x{i}", f"x{i}.JPEG", label) for i, label in enumerate(labels)]
    return ClassFolders.from_samples(samples, root=Path("/set"), kind="class folders", labels_from="")


LABELS = st.lists(st.integers(0, 9), min_size=1, max_size=80)


@given(LABELS, st.integers(1, 100), st.integers(0, 3))
def test_a_sample_is_a_balanced_part_in_reading_order(labels: list[int], n: int, seed: int) -> None:
    whole = dataset_of(labels)
    sample = limit(whole, n, seed)
    assert len(sample.samples) == min(n, len(labels))
    assert [s for s in whole.samples if s in set(sample.samples)] == list(sample.samples)
    available, chosen = Counter(labels), Counter(s.label for s in sample.samples)
    most = max(chosen.values())
    assert all(chosen[label] >= min(available[label], most - 1) for label in available)
    assert sample.n_expected == len(labels)


@given(LABELS, st.integers(1, 100), st.randoms())
def test_the_order_of_files_does_not_matter(labels: list[int], n: int, order: random.Random) -> None:
    whole = dataset_of(labels)
    samples = list(whole.samples)
    order.shuffle(samples)
    shuffled = ClassFolders.from_samples(samples, root=whole.root, kind="class folders", labels_from="")
    assert set(limit(shuffled, n).samples) == set(limit(whole, n).samples)
    assert set(limit(whole, n).samples) <= set(limit(whole, n + 1).samples)


def test_the_seed_decides_and_the_text_says_so() -> None:
    whole = dataset_of([0, 1] * 500)
    assert limit(whole, 10).samples == limit(whole, 10, seed=0).samples != limit(whole, 10, seed=1).samples
    assert (
        limit(whole, 10, seed=1).partial
        == "10 of 1,000 images (sampled, seed 1), not the 50,000 of ImageNet val"
    )
    assert limit(whole, 1000) is whole


@pytest.mark.parametrize("n", [0, -1])
def test_an_empty_sample_is_refused(n: int) -> None:
    with pytest.raises(UsageError, match="at least 1"):
        limit(dataset_of([0]), n)


@given(LABELS, st.integers(0, 3), st.randoms(use_true_random=False))
def test_a_random_order_has_every_image_and_does_not_depend_on_the_files(
    labels: list[int], seed: int, shuffler: random.Random
) -> None:
    samples = list(dataset_of(labels).samples)
    ordered = in_random_order(samples, seed)
    assert sorted(ordered, key=samples.index) == samples
    shuffler.shuffle(samples)
    assert in_random_order(samples, seed) == ordered


def test_a_random_order_is_none_of_the_classes_or_the_files() -> None:
    """Of 500 images of class 0 and 500 of class 1 behind them, both are among the first by half, nearly."""
    samples = dataset_of([0] * 500 + [1] * 500).samples
    for seed in range(5):
        first = in_random_order(samples, seed)[:200]
        assert 70 <= sum(sample.label for sample in first) <= 130
    assert in_random_order(samples, 0) != in_random_order(samples, 1)
