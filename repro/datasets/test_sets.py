"""Which published test set a dataset is: told by its classes and images, or by the user, never guessed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from repro.catalogue.classes import class_name, load_classes
from repro.catalogue.test_sets import TestSet, load_test_sets
from repro.datasets.dataset import Dataset
from repro.datasets.entries import VAL_IMAGE, first_few
from repro.datasets.labels import FOLDER_NUMBERS
from repro.exceptions import DataRefused
from repro.specs import N_CLASSES


def place_in_test_set(dataset: Dataset, given: TestSet | None = None) -> Dataset:
    """The dataset as the test set it is, or as the one that is `given`; ImageNet val stays what it is.

    Raises:
        DataRefused: its images cannot be those of the given set.
    """
    if given is not None:
        _refuse_contradiction(dataset, given)
    found = given or _recognise(dataset)
    if found is None:
        return dataset
    return replace(
        dataset, name=found.name, test_set=found.name, classes=found.classes, n_expected=found.n_images
    )


def resembled(dataset: Dataset) -> TestSet | None:
    """A test set of fewer classes that an unrecognised dataset has exactly, with other images or fewer."""
    if dataset.published:
        return None
    alike = (
        test_set for test_set in load_test_sets() if test_set.classes and _has_classes(dataset, test_set)
    )
    return next(alike, None)


def _recognise(dataset: Dataset) -> TestSet | None:
    """The set with exactly these classes and as many images; of several variants the one that is named."""
    if any(VAL_IMAGE.fullmatch(sample.image_id) for sample in dataset.samples):
        return None
    numbered = dataset.labels_from == FOLDER_NUMBERS
    alike = [
        test_set
        for test_set in load_test_sets()
        if not test_set.relabels
        and test_set.numbered == numbered
        and test_set.n_images == len(dataset.samples)
        and _has_classes(dataset, test_set)
    ]
    named = [test_set for test_set in alike if test_set.is_named(dataset.root.name)]
    nameless = [test_set for test_set in alike if not test_set.folder_name]
    return named[0] if len(named) == 1 else next(iter(nameless), None)


def _has_classes(dataset: Dataset, test_set: TestSet) -> bool:
    return {sample.label for sample in dataset.samples} == _indices(test_set)


def _indices(test_set: TestSet) -> set[int]:
    return set(test_set.classes or range(N_CLASSES))


def _refuse_contradiction(dataset: Dataset, given: TestSet) -> None:
    """Refuses a dataset that cannot be the given set, nor a part of it."""
    if foreign := [s.path for s in dataset.samples if VAL_IMAGE.fullmatch(s.image_id)]:
        raise DataRefused(f"not {given.title}: {first_few(foreign)} are images of ImageNet val")
    if dataset.labels_from == FOLDER_NUMBERS and not given.numbered:
        raise DataRefused(
            f"not {given.title}: its folders are named by wnid, those in {dataset.root} by number"
        )
    per_class = Counter(sample.label for sample in dataset.samples)
    if others := sorted(per_class.keys() - _indices(given)):
        raise DataRefused(f"not {given.title}: not of its {given.n_classes} classes: {_told(others)}")
    n = len(dataset.samples)
    if n > given.n_images:
        raise DataRefused(f"not {given.title}: {n:,} images, it has {given.n_images:,}")
    if given.per_class and (full := sorted(c for c, k in per_class.items() if k > given.per_class)):
        raise DataRefused(f"not {given.title}: more than its {given.per_class} images of {_told(full)}")


def _told(labels: Iterable[int]) -> str:
    return first_few([f"{load_classes()[label].wnid} ({class_name(label)})" for label in labels])
