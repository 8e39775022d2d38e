"""Files of predictions: a CSV as ImageNet-X has it, or NumPy arrays of logits or of the best classes."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from repro.datasets.entries import first_few
from repro.datasets.labels import class_index
from repro.exceptions import DataRefused, UsageError
from repro.specs import N_CLASSES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CSV_COLUMNS = ("file_name", "predicted_class", "predicted_probability")
"""The form in which ImageNet-X publishes the predictions of its models, and asks for others'."""

_FORMS = (
    "a csv of file_name,predicted_class[,predicted_probability]; an npz with names and logits (n, 1000) "
    "or top5 (n, 5) [and p_top5]; an npy of logits or top5, with --names FILE"
)


@dataclass(frozen=True, slots=True)
class Predictions:
    """Predictions of `n` images by file name; what the file does not tell is None.

    `best` are classes, best first `(n, k)`, `p_best` their probabilities `(n, k)`, `logits` `(n, 1000)`.
    """

    names: list[str]
    best: NDArray[np.int64]
    p_best: NDArray[np.float64] | None = None
    logits: NDArray[np.float64] | None = None


def read_prediction_file(path: Path, names: Path | None = None) -> Predictions:
    """The predictions in `path`; `names` has the images of a nameless array, a line each, in its order.

    Raises:
        UsageError: there is no such file, or names are missing or too many.
        DataRefused: it cannot be read, is not of a form known, or holds what cannot be a prediction.
    """
    try:
        return _read(path, names)
    except OSError as error:
        raise DataRefused(f"cannot read {error.filename or path}: {error.strerror or error}") from error


def _read(path: Path, names: Path | None) -> Predictions:
    for file in filter(None, (path, names)):
        if not file.is_file():
            raise UsageError(f"no such file: {file}")
    readers = {".csv": _read_csv, ".npz": _read_arrays, ".npy": _read_arrays}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise UsageError(f"{path} ends in none of {', '.join(readers)}; predictions come as {_FORMS}")
    return reader(path, names)


def _read_csv(path: Path, names: Path | None) -> Predictions:
    import numpy as np

    if names:
        raise UsageError("--names is for arrays without names; a csv has them in its column file_name")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            header = reader.fieldnames or []
            if missing := [column for column in CSV_COLUMNS[:2] if column not in header]:
                found = first_few(list(header), 6) or "nothing"
                raise DataRefused(f"{path}: no column {' and '.join(missing)}, but {found}")
            rows = list(reader)
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataRefused(f"{path} is not a CSV file: {error}") from error
    _refuse_empty(path, len(rows))
    files = [row["file_name"] or "" for row in rows]
    best = [class_index((row["predicted_class"] or "").strip()) for row in rows]
    _refuse(
        path,
        f"predicted_class is neither an index 0 … {N_CLASSES - 1} nor a wnid",
        [
            f"{name}: {row['predicted_class']}"
            for name, row, index in zip(files, rows, best, strict=True)
            if index < 0
        ],
    )
    p_best = None
    if CSV_COLUMNS[2] in header:
        p_best = np.array([[_probability(row[CSV_COLUMNS[2]])] for row in rows])
        _refuse_improbable(path, files, p_best)
    return Predictions(files, np.array(best)[:, None], p_best)


def _probability(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return float("nan")


def _read_arrays(path: Path, names: Path | None) -> Predictions:
    import numpy as np

    try:
        with path.open("rb") as file:  # NumPy leaves a damaged archive open
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                arrays = {"": loaded}
            else:
                with loaded:
                    arrays = dict(loaded)
    except OSError as error:
        raise DataRefused(f"cannot read {path}: {error.strerror or error}") from error
    except (
        Exception
    ) as error:  # of a damaged array NumPy raises whatever comes; a pickled one is never opened
        raise DataRefused(f"{path} is no NumPy file of plain arrays: {error}") from error
    if "" in arrays:
        array = arrays.pop("")
        arrays["top5" if array.dtype.kind in "iu" else "logits"] = array
    files = _names(path, arrays, names)
    kinds = [kind for kind in ("logits", "top5") if kind in arrays]
    if len(kinds) != 1:
        raise DataRefused(f"{path} holds {first_few(sorted(arrays)) or 'nothing'}; it takes {_FORMS}")
    array = arrays[kinds[0]]
    array = array[:, None] if kinds == ["top5"] and array.ndim == 1 else array
    if array.ndim != 2 or len(array) != len(files):
        raise DataRefused(
            f"{path}: {kinds[0]} has the shape {array.shape}; {len(files):,} names take ({len(files)}, …)"
        )
    _refuse_empty(path, len(files))
    return (
        _of_logits(path, files, array)
        if kinds == ["logits"]
        else _of_top(path, files, array, arrays.get("p_top5"))
    )


def _names(path: Path, arrays: dict[str, NDArray[np.generic]], names: Path | None) -> list[str]:
    if "names" in arrays and names:
        raise UsageError(f"--names is not needed: {path} has its own")
    if "names" in arrays:
        return [_text(path, name) for name in arrays["names"].tolist()]
    if names is None:
        raise UsageError(
            f"{path} does not say which image each row belongs to, and no order is taken for granted",
            hint="--names FILE, with a file name a line in the array's order",
        )
    try:
        text = names.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise DataRefused(f"--names {names} cannot be read as text in UTF-8: {error}") from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def _text(path: Path, name: object) -> str:
    """A name that NumPy holds as text, or as bytes."""
    try:
        return name.decode() if isinstance(name, bytes) else str(name)
    except UnicodeDecodeError as error:
        raise DataRefused(f"{path}: a name is not UTF-8: {name!r}") from error


def _of_logits(path: Path, files: list[str], logits: NDArray[np.generic]) -> Predictions:
    """Ties go to the lower index, as everywhere here."""
    import numpy as np

    if logits.shape[1] != N_CLASSES:
        raise DataRefused(f"{path}: logits of {logits.shape[1]:,} classes; {N_CLASSES} are needed")
    values = _numbers(path, "logits", logits)
    finite = np.isfinite(values).all(axis=1)
    _refuse(path, "logits are not finite", [files[i] for i in np.flatnonzero(~finite)])
    order = np.argsort(-values, axis=1, kind="stable")[:, :5]
    return Predictions(files, order, np.take_along_axis(softmax(values), order, axis=1), values)


def _of_top(
    path: Path, files: list[str], best: NDArray[np.generic], p_best: NDArray[np.generic] | None
) -> Predictions:
    import numpy as np

    if best.dtype.kind not in "iu" or not 1 <= best.shape[1] <= N_CLASSES:
        raise DataRefused(f"{path}: top5 has to be whole numbers (n, 5), not {best.dtype} {best.shape}")
    classes = best.astype(np.int64)
    foreign = np.flatnonzero(((classes < 0) | (classes >= N_CLASSES)).any(axis=1))
    _refuse(
        path,
        f"a class is none of 0 … {N_CLASSES - 1}",
        [f"{files[i]}: {classes[i].tolist()}" for i in foreign],
    )
    doubled = np.flatnonzero((np.diff(np.sort(classes, axis=1), axis=1) == 0).any(axis=1))
    _refuse(path, "a class stands twice", [f"{files[i]}: {classes[i].tolist()}" for i in doubled])
    if p_best is None:
        return Predictions(files, classes)
    if p_best.shape != classes.shape:
        raise DataRefused(f"{path}: p_top5 has the shape {p_best.shape}, top5 {classes.shape}")
    probabilities = _numbers(path, "p_top5", p_best)
    _refuse_improbable(path, files, probabilities)
    return Predictions(files, classes, probabilities)


def _numbers(path: Path, kind: str, array: NDArray[np.generic]) -> NDArray[np.float64]:
    import numpy as np

    if array.dtype.kind not in "biuf":
        raise DataRefused(f"{path}: {kind} have to be numbers, not {array.dtype}")
    return array.astype(np.float64)


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities `(n, 1000)` of logits."""
    import numpy as np

    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _refuse_improbable(path: Path, files: Sequence[str], p_best: NDArray[np.float64]) -> None:
    import numpy as np

    wrong = ~((p_best >= 0) & (p_best <= 1)).all(axis=1)  # a NaN is neither
    found = [f"{files[int(i)]}: {p_best[i].tolist()}" for i in np.flatnonzero(wrong)]
    _refuse(path, "a probability is not in [0, 1]", found)


def _refuse_empty(path: Path, n: int) -> None:
    if not n:
        raise DataRefused(f"{path} holds no predictions")


def refuse_doubled(path: Path, names: Sequence[str]) -> None:
    """Refuses a file with two predictions for one image."""
    _refuse(path, "predicted twice", [name for name, n in Counter(names).items() if n > 1])


def _refuse(path: Path, fault: str, offenders: Sequence[str]) -> None:
    if offenders:
        raise DataRefused(f"{path}: {fault}: {first_few(offenders)}")
