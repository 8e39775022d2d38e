"""What every dataset is: samples in reading order, and a way to read the bytes of each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from repro.catalogue.test_sets import load_test_sets
from repro.datasets.address import Address
from repro.datasets.entries import VAL_IMAGE, first_few, image_stem, is_text
from repro.exceptions import DataRefused
from repro.specs import N_CLASSES, Sample, digest_each

IMAGENET_VAL = "imagenet-val"
VAL_IMAGES = 50_000
VAL_IMAGES_PER_CLASS = VAL_IMAGES // N_CLASSES


@dataclass(frozen=True, kw_only=True)
class Dataset(ABC):
    """Labelled images; a kind of dataset adds how they are listed (`open`) and how one is `read`.

    It holds no open file, so that it can be pickled, and used in forked processes where it `forks`.

    `samples` stand in the order in which reading is sequential, each image id once. `root` is what was
    opened: opened again, with the same labels, it gives the same dataset. `ignored` counts the entries
    that are none of ours by their name. `n_expected` is the size of the whole set: ImageNet val's, that
    of a published test set, or that before `limit`, which says in `sampled` what it did.

    `test_set` is the published test set that this is (ImageNet-A, …), or a part of it; `classes` are the
    indices, ascending, that the arg-max is taken over: empty, all 1000.
    """

    name: str
    kind: str
    root: Path
    samples: tuple[Sample, ...]
    labels_from: str
    ignored: int
    n_expected: int
    sampled: str = ""
    test_set: str = ""
    classes: tuple[int, ...] = ()

    @abstractmethod
    def read(self, sample: Sample) -> bytes:
        """The encoded bytes of an image, as they are stored.

        Raises:
            OSError: they cannot be read.
        """

    def file_of(self, _sample: Sample) -> Path:
        """The file that holds an image's bytes, alone or with others."""
        return self.root

    @property
    def forks(self) -> bool:
        """Whether a fork of the process that listed it may read it, as not every client of storage can."""
        return not isinstance(self.root, Address)

    @classmethod
    def from_samples(
        cls, samples: Sequence[Sample], *, root: Path, kind: str, labels_from: str, ignored: int = 0
    ) -> Self:
        """The dataset of all these samples, which name it: ImageNet val if every id is one of its own.

        Raises:
            DataRefused: there are none, two have the same id, or a name is not UTF-8.
        """
        if not samples:
            raise DataRefused(f"{root} holds no images ({ignored:,} entries ignored)")
        if odd := [ascii(sample.path) for sample in samples if not is_text(sample.path)]:
            raise DataRefused(f"{root}: names of images that are not UTF-8: {first_few(odd)}; rename them")
        image_id, n = Counter(sample.image_id for sample in samples).most_common(1)[0]
        if n > 1:
            raise DataRefused(f"duplicate: image {image_id} is {n} times in {root}")
        is_val = all(VAL_IMAGE.fullmatch(sample.image_id) for sample in samples)
        return cls(
            name=IMAGENET_VAL if is_val else _own_name(root),
            kind=kind,
            root=root,
            samples=tuple(samples),
            labels_from=labels_from,
            ignored=ignored,
            n_expected=VAL_IMAGES if is_val else len(samples),
        )

    @property
    def listing(self) -> str:
        """The digest of the samples as they are listed: no image is read for it."""
        return digest_each((s.image_id, s.path, s.label, s.size_bytes) for s in self.samples)

    @property
    def published(self) -> bool:
        """Whether its images are a published set's, which nobody here made."""
        return self.name == IMAGENET_VAL or bool(self.test_set)

    @property
    def n_choices(self) -> int:
        """How many classes the arg-max is taken over."""
        return len(self.classes) or N_CLASSES

    @property
    def partial(self) -> str:
        """Why this is not the whole of its test set (ImageNet val, if none other); empty when it is."""
        n = len(self.samples)
        images = f"{n:,} images" if n == self.n_expected else f"{n:,} of {self.n_expected:,} images"
        images += f" ({self.sampled})" if self.sampled else ""
        if self.test_set:
            n_classes = len({sample.label for sample in self.samples})
            whole = n == self.n_expected and n_classes == self.n_choices
            return "" if whole else f"{images}, {n_classes} of {self.n_choices} classes"
        if self.name != IMAGENET_VAL:
            return f"{images}, not the {VAL_IMAGES:,} of ImageNet val"
        per_class = Counter(sample.label for sample in self.samples)
        if len(per_class) < N_CLASSES or n != VAL_IMAGES:
            return f"{images}, {len(per_class)} of {N_CLASSES} classes"
        if set(per_class.values()) != {VAL_IMAGES_PER_CLASS}:
            return f"{images}, but not {VAL_IMAGES_PER_CLASS} of each class"
        return ""


def _own_name(root: Path) -> str:
    """The name of a folder or file, which a set is recognised by its images to have, never by this."""
    taken = {IMAGENET_VAL, *(test_set.name for test_set in load_test_sets())}
    return f"unrecognised {root.name}" if root.name in taken else root.name


def image_ids(paths: Sequence[str]) -> list[str]:
    """The file stems where they are unique, otherwise the paths themselves.

    Raises:
        DataRefused: an image of the validation set is there twice, perhaps with two labels.
    """
    stems = [image_stem(path) for path in paths]
    repeated = [stem for stem, n in Counter(stems).items() if n > 1]
    for stem in filter(VAL_IMAGE.fullmatch, repeated):
        first, second = [path for path in paths if image_stem(path) == stem][:2]
        raise DataRefused(f"duplicate: {first} and {second} are the same image of ImageNet val")
    return list(paths) if repeated else stems
