"""Whether the labels stand in ImageNet's order, checked against ReaL's labels, without a model.

The right labels agree with ReaL's in 90 % of the images, any wrong order in less than 2 %; where only
some classes are wrong, another label fits their images better than their own. Everything follows from
one table of counts: how often ReaL saw class c in the images that were given label g.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np

from repro.catalogue.classes import class_name
from repro.datasets import Dataset
from repro.datasets.dataset import VAL_IMAGES
from repro.datasets.entries import VAL_IMAGE, first_few
from repro.doctor.mistakes import UNKNOWN, WrongOrder, known_mistakes, moved_from
from repro.doctor.real import Ints, RealLabels, load_real_labels
from repro.exceptions import DataRefused
from repro.specs import N_CLASSES

MIN_IMAGES = 50
"""Fewer say nothing: class 848 alone (40 images with ReaL labels) agrees in 18 % with the right labels."""

MIN_AGREEMENT = 0.25
"""Right labels stay above it, whatever the classes (the two worst have 28 %), wrong orders far below."""

CLEAR_GAIN = 15
"""How many more images another label must fit; with the right labels it is 12 in one class at the most."""

CLEAR_GAIN_WHOLE = 3
"""The same where all 50,000 are there: with the right labels no swap gains more than 2 (620 and 681)."""

_MIN_IMAGES_OF_LABEL = 3


@dataclass(frozen=True, slots=True)
class LabelOrder:
    """What ReaL's labels say: `wrong` is empty where nothing is wrong, `unchecked` why nothing can be said.

    `proposed` is the class that images with a given label most likely show, for the labels that are
    wrong and of which this can be told.
    """

    n_checked: int = 0
    n_agree: int = 0
    wrong: str = ""
    proposed: Mapping[int, int] = field(default_factory=dict)
    unchecked: str = ""


def check_label_order(dataset: Dataset) -> LabelOrder:
    """Judges the labels of the images that bear an id of the ImageNet validation set."""
    given = np.full(VAL_IMAGES, UNKNOWN)
    for sample in dataset.samples:
        if VAL_IMAGE.fullmatch(sample.image_id) and 0 < (number := int(sample.image_id[-8:])) <= VAL_IMAGES:
            given[number - 1] = sample.label
    if (given == UNKNOWN).all():
        return LabelOrder(unchecked="no image has an id of ImageNet val (ILSVRC2012_val_…)")
    return judge_labels(given)


def refuse_wrong_order(dataset: Dataset, labels: Path | None = None, hint: str = "") -> None:
    """Refuses labels that ReaL's contradict; `labels` is where they come from, if not from the dataset.

    Without a `hint` the doctor's command is one, for a dataset whose images can be opened.

    Raises:
        DataRefused: the labels are in a wrong order; the message has the likely mistake and the right labels.
    """
    if wrong := check_label_order(dataset).wrong:
        words = ["repro", "doctor", str(dataset.root), *(["--labels", str(labels)] if labels else [])]
        raise DataRefused(wrong, hint=hint or shlex.join(words))


def judge_labels(given: Ints) -> LabelOrder:
    """Judges labels given by validation image `(50000,)`; UNKNOWN where an image is not there."""
    real = load_real_labels()
    if real is None:
        return LabelOrder(unchecked="timm, which ships ReaL's labels, is not here or no longer has them")
    counts = _count(given, real)
    n_checked = int(np.count_nonzero(real.labelled & (given != UNKNOWN)))
    n_agree = int(np.trace(counts))
    if n_checked < MIN_IMAGES:
        return LabelOrder(unchecked=f"only {n_checked} images have ReaL labels, {MIN_IMAGES} are needed")
    clear = CLEAR_GAIN_WHOLE if (given != UNKNOWN).all() else CLEAR_GAIN
    wrong, proposed = _verdict(np.unique(given[given != UNKNOWN]), counts, n_checked, clear)
    return LabelOrder(n_checked, n_agree, wrong, proposed)


def _verdict(labels: Ints, counts: Ints, n_checked: int, clear: int) -> tuple[str, dict[int, int]]:
    """What is wrong, and the right labels; nothing where the given ones can stand."""
    n_agree = int(np.trace(counts))
    pairs = list(_exchanged(counts, clear))
    mistake, fit = _best_mistake(counts)
    found = f"labels disagree with ReaL: {n_agree:,} of {n_checked:,} images agree"
    if fit - n_agree >= max(clear, sum(gain for *_, gain in pairs)) and fit >= n_checked / 2:
        proposed = {int(g): int(mistake.true[g]) for g in labels if mistake.true[g] not in (UNKNOWN, g)}
        likely = f"{fit:,} once mended; likely {mistake.name}"
        return f"{found}, {likely}: {describe_proposed(proposed)}", proposed
    if n_agree < MIN_AGREEMENT * n_checked:
        proposed = _most_frequent(counts, range(N_CLASSES))
        told = describe_proposed(proposed) or "too few images to propose the right one"
        return f"{found}, 90 % do with the right ones; in no order known here: {told}", proposed
    if pairs:
        proposed = dict(chain.from_iterable(_mended(a, b, counts) for a, b, _ in pairs))
        swapped = all(proposed.get(a) == b and proposed.get(b) == a for a, b, _ in pairs)
        fault = "swapped with another" if swapped else "not what their images show"
        return f"{2 * len(pairs):,} labels are {fault}, says ReaL: {describe_proposed(proposed)}", proposed
    return "", {}


def describe_proposed(proposed: Mapping[int, int]) -> str:
    """`label 0 (tench) is class 278 (kit fox), label 1 … and 998 more`"""
    told = [f"label {g} ({class_name(g)}) is class {c} ({class_name(c)})" for g, c in proposed.items()]
    return first_few(told)


def _count(given: Ints, real: RealLabels) -> Ints:
    """How often ReaL saw each class in the images of each given label `(1000, 1000)`."""
    labels = given[real.images]
    cells = (labels * N_CLASSES + real.classes)[labels != UNKNOWN]
    return np.bincount(cells, minlength=N_CLASSES**2).reshape(N_CLASSES, N_CLASSES)


def _best_mistake(counts: Ints) -> tuple[WrongOrder, int]:
    """The known mistake that fits most images when undone, and how many it fits."""
    candidates = [*known_mistakes(), _best_move(counts, 1), _best_move(counts, -1)]
    fits = [_fit(mistake, counts) for mistake in candidates]
    best = int(np.argmax(fits))
    return candidates[best], fits[best]


def _fit(mistake: WrongOrder, counts: Ints) -> int:
    given = np.flatnonzero(mistake.true != UNKNOWN)
    return int(counts[given, mistake.true[given]].sum())


def _best_move(counts: Ints, by: int) -> WrongOrder:
    """The shift by one that fits best, wherever it begins."""
    moved = np.zeros(N_CLASSES, dtype=np.int64)
    moved[slice(None, -1) if by > 0 else slice(1, None)] = np.diagonal(counts, by)
    gains = (moved - np.diagonal(counts))[::-1].cumsum()[::-1]
    return moved_from(int(np.argmax(gains)), by)


def _exchanged(counts: Ints, clear: int) -> Iterator[tuple[int, int, int]]:
    """Pairs of labels that fit clearly better exchanged, each label once, with the gain in images."""
    own = np.diagonal(counts)
    gains = np.triu(counts + counts.T - own[:, None] - own[None, :], 1)
    present = np.asarray(counts.any(axis=1))
    gains[~np.logical_and.outer(present, present)] = 0
    first, second = np.nonzero(gains >= clear)
    used: set[int] = set()
    for i in np.argsort(-gains[first, second], kind="stable"):
        a, b = int(first[i]), int(second[i])
        if not used & {a, b}:
            used |= {a, b}
            yield a, b, int(gains[a, b])


def _mended(first: int, second: int, counts: Ints) -> Iterable[tuple[int, int]]:
    """Two labels exchanged; where that explains only one of them, what ReaL saw most often in each."""
    pair = ((first, second), (second, first))
    if all(counts[given, c] > counts[given, given] / 2 for given, c in pair):
        return pair
    return _most_frequent(counts, [first, second]).items()


def _most_frequent(counts: Ints, labels: range | list[int]) -> dict[int, int]:
    """The class that ReaL saw most often in the images of each of `labels`, where it is another one."""
    best = counts.argmax(axis=1)
    return {
        g: int(best[g]) for g in sorted(labels) if best[g] != g and counts[g, best[g]] >= _MIN_IMAGES_OF_LABEL
    }
