"""Images in an order that has nothing to do with what they show, and a class-balanced sample of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, islice, zip_longest

from repro.datasets.dataset import Dataset
from repro.exceptions import UsageError
from repro.specs import Sample, digest


def limit(dataset: Dataset, n: int, seed: int = 0) -> Dataset:
    """A sample of `n` images: one of each class, then a second of each, and so on.

    Classes and images are put in order by hashing them with the seed, so that neither the order of
    the files nor the version of a random generator matters, and a smaller sample is part of a larger.

    Raises:
        UsageError: `n` is not positive.
    """
    if n < 1:
        raise UsageError(f"a sample of {n} images cannot be; at least 1 is needed")
    if n >= len(dataset.samples):
        return dataset
    chosen = choose(dataset.samples, n, seed)
    return replace(
        dataset,
        samples=tuple(sample for sample in dataset.samples if sample in chosen),
        sampled=f"sampled, seed {seed}",
    )


def choose(samples: Sequence[Sample], n: int, seed: int = 0) -> set[Sample]:
    """`n` of the samples (all, if there are fewer), as evenly from every class as can be."""
    by_class: dict[int, list[Sample]] = defaultdict(list)
    for sample in in_random_order(samples, seed):
        by_class[sample.label].append(sample)
    classes = sorted(by_class, key=lambda label: digest([seed, label]))
    rounds = zip_longest(*(by_class[label] for label in classes))
    return set(islice(filter(None, chain.from_iterable(rounds)), n))


def in_random_order(samples: Sequence[Sample], seed: int = 0) -> list[Sample]:
    """All samples, ordered by hashing their ids with the seed: the same on every machine."""
    return sorted(samples, key=lambda sample: digest([seed, sample.image_id]))
