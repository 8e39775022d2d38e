"""How many wrong orders of the labels are refused, over every known mistake, and no right labels with them.

The true labels are those of the package imagenet-x (CC BY-NC 4.0): installed for tests, never part of ours.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from repro.catalogue.classes import load_classes
from repro.datasets.dataset import VAL_IMAGES
from repro.doctor.label_order import LabelOrder, judge_labels
from repro.specs import N_CLASSES

Ints = NDArray[np.int64]

ABSENT = -1
CLASSES = np.arange(N_CLASSES)
SUBSETS = (100, 300, 1_000, 5_000, 20_000)
SEEDS = 5

ALIKE = ((620, 681), (657, 744))
"""Laptop and notebook, missile and projectile: ReaL's readers could not tell them apart either."""


def check(n_swaps: int) -> dict[str, int]:
    """Counts over all mutations, `n_swaps` random swaps of two classes, and the right labels in many forms.

    `relabelled` are those for which the proposal, applied, gives every image its true label again.
    """
    refused = relabelled = tried = 0
    for given in [*mutations(), *swaps(n_swaps)]:
        order = judge_labels(given)
        tried += 1
        refused += bool(order.wrong)
        relabelled += is_mended(given, order)
    rights = [judge_labels(given) for given in right_forms()]
    return {
        "tried": tried,
        "refused": refused,
        "relabelled": relabelled,
        "false_alarms": sum(bool(order.wrong) for order in rights),
        "right_forms": len(rights),
    }


@cache
def true_labels() -> Ints:
    """The class of each of the 50,000 validation images, in the order of their numbers."""
    spec = find_spec("imagenet_x")
    assert spec is not None and spec.submodule_search_locations, "pip install imagenet-x"
    path = Path(spec.submodule_search_locations[0]) / "annotations" / "filename_label.csv"
    labels = np.full(VAL_IMAGES, ABSENT)
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            labels[int(row["file_name"][15:23]) - 1] = int(row["label"])
    assert (np.bincount(labels) == 50).all()
    return labels


def named_orders() -> dict[str, Ints]:
    """The label that each mistake gives to each true class; ABSENT where it gives none of the 1000."""
    classes = load_classes()
    devkit = np.array([c.devkit_id for c in classes])
    orders = {
        "devkit": devkit - 1,
        "devkit from 1": np.where(devkit < N_CLASSES, devkit, ABSENT),
        "one too high": np.where(CLASSES < N_CLASSES - 1, CLASSES + 1, ABSENT),
        "one too high, around": (CLASSES + 1) % N_CLASSES,
        "one too low": CLASSES - 1,
        "one too low, around": (CLASSES - 1) % N_CLASSES,
        "numbers as text": places(sorted(range(N_CLASSES), key=str)),
        "numbers from 1 as text": places(sorted(range(N_CLASSES), key=lambda i: str(i + 1))),
        "names as text": places(sorted(range(N_CLASSES), key=lambda i: classes[i].name.casefold())),
        "names as text, capitals first": places(sorted(range(N_CLASSES), key=lambda i: classes[i].name)),
        "reversed": CLASSES[::-1],
        "class 500 missing": without(500),
        "a foreign folder first, at 500": np.where(CLASSES < 500, CLASSES, np.append(CLASSES[1:], ABSENT)),
    }
    return orders | {
        f"random {seed}": np.random.default_rng(seed).permutation(N_CLASSES) for seed in range(SEEDS)
    }


def without(missing: int) -> Ints:
    """Classes numbered by their place among the folders that are there."""
    order = CLASSES.copy()
    order[missing:] -= 1
    order[missing] = ABSENT
    return order


def places(order: list[int]) -> Ints:
    """The place of each class in `order`."""
    return np.argsort(order)


def mutations() -> Iterator[Ints]:
    """Every named order on all images and on random samples; each missing class but the last on all."""
    truth = true_labels()
    for order in named_orders().values():
        yield order[truth]
        for size in SUBSETS:
            for seed in range(SEEDS):
                yield sampled(order[truth], size, seed)
    for missing in range(N_CLASSES - 1):
        yield np.where(truth == missing, ABSENT, without(missing)[truth])


def swaps(n: int) -> Iterator[Ints]:
    """Two random classes of the whole set exchanged, never the two pairs that ReaL cannot tell apart."""
    random = np.random.default_rng(2026)
    for _ in range(n):
        pair = ALIKE[0]
        while pair in ALIKE:
            first, second = sorted(random.choice(N_CLASSES, 2, replace=False).tolist())
            pair = (first, second)
        yield swapped(*pair)


def swapped(first: int, second: int) -> Ints:
    order = CLASSES.copy()
    order[[first, second]] = second, first
    return order[true_labels()]


def right_forms() -> Iterator[Ints]:
    """The true labels: all, random samples, each class with its neighbours, classes drawn at random."""
    truth = true_labels()
    yield truth
    for size in (50, *SUBSETS, 49_950):
        for seed in range(10 * SEEDS):
            yield sampled(truth, size, seed)
    for n_classes in (1, 2, 3):
        for first in range(N_CLASSES + 1 - n_classes):
            yield of_classes(range(first, first + n_classes))
    for n_classes in (10, 50, 100, 300, 999):
        for seed in range(10 * SEEDS):
            random = np.random.default_rng(seed)
            yield of_classes(random.choice(N_CLASSES, n_classes, replace=False).tolist())


def sampled(given: Ints, size: int, seed: int) -> Ints:
    """`given` on `size` images drawn at random from those that have a label."""
    present = np.flatnonzero(given != ABSENT)
    chosen = np.random.default_rng(seed).choice(present, min(size, len(present)), replace=False)
    some = np.full_like(given, ABSENT)
    some[chosen] = given[chosen]
    return some


def of_classes(classes: range | list[int]) -> Ints:
    truth = true_labels()
    return np.where(np.isin(truth, list(classes)), truth, ABSENT)


def is_mended(given: Ints, order: LabelOrder) -> bool:
    """Whether the proposal turns every label given into the true one."""
    mended = CLASSES.copy()
    for label, proposed in order.proposed.items():
        mended[label] = proposed
    there = given != ABSENT
    return bool(order.wrong) and bool((mended[given[there]] == true_labels()[there]).all())
