"""A reader's own verdicts on the errors of a run (`RUN/codings.csv`): a log that only grows.

    at,reader,image_id,label,predicted,verdict,note
    2026-08-01T12:00:00+00:00,Ada,ILSVRC2012_val_00000293,898,440,shape,"the neck, seen from above"
    2026-08-01T12:00:09+00:00,Ada,ILSVRC2012_val_00000293,898,440,,

The last row of a reader and an image counts; with an empty verdict it withdraws what was said before.
A row ends with a line end outside quotes: what stands behind the last one is a row that a killed process
or a power cut left unfinished. Reading leaves it out, and the next row takes its place.
"""

from __future__ import annotations

import csv
import os
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import BytesIO, StringIO
from pathlib import Path

from filelock import FileLock, Timeout

from repro.exceptions import Busy, StorageError, UsageError
from repro.results.atomic import storage_errors, write_atomically
from repro.specs import N_CLASSES

FILE = "codings.csv"

VERDICTS = ("shape", "size", "context", "fine-grained", "label wrong", "other")

WITHDRAWN = ""
"""In the verdict's place: the reader takes back what was said before."""

LONGEST_READER = 60
LONGEST_NOTE = 2000

COLUMNS = ("at", "reader", "image_id", "label", "predicted", "verdict", "note")

_HEADER = (",".join(COLUMNS) + "\n").encode()

_BEGINS = re.compile(rb"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00,", re.MULTILINE)
"""How a row begins; a row behind an unfinished one says that this is no torn end."""

_PATIENCE_SECONDS = 10.0


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


@dataclass(frozen=True, slots=True)
class Coding:
    """One verdict on one error: an image of class `label`, taken for `predicted`. `at` is UTC, in seconds.

    Raises:
        UsageError: the verdict is none, or the reader's name or the note cannot be kept.
    """

    reader: str
    image_id: str
    label: int
    predicted: int
    verdict: str
    note: str = ""
    at: datetime = field(default_factory=_now)

    def __post_init__(self) -> None:
        if self.verdict not in (*VERDICTS, WITHDRAWN):
            raise UsageError(f"unknown verdict {self.verdict!r}; there are {', '.join(VERDICTS)}")
        if not self.reader or self.reader != self.reader.strip():
            raise UsageError(
                f"{self.reader!r} is no reader's name: it is empty, or begins or ends with a blank"
            )
        _check_text("reader's name", self.reader, LONGEST_READER)
        _check_text("note", self.note, LONGEST_NOTE, allowed="\n")
        for class_index in (self.label, self.predicted):
            if not 0 <= class_index < N_CLASSES:
                raise UsageError(
                    f"there is no class {class_index}; classes are numbered 0 to {N_CLASSES - 1}"
                )
        if self.at.utcoffset() != timedelta(0) or self.at.microsecond:
            raise UsageError(f"{self.at.isoformat()} is no time in UTC and whole seconds")


def _check_text(what: str, text: str, longest: int, allowed: str = "") -> None:
    if len(text) > longest:
        raise UsageError(f"a {what} has at most {longest:,} characters; this one has {len(text):,}")
    for character in text:
        if character not in allowed and unicodedata.category(character) in {"Cc", "Cs"}:
            raise UsageError(f"a {what} has no control characters; this one has \\x{ord(character):02x}")


@dataclass(frozen=True, slots=True)
class Codings:
    """The rows of a run's log, oldest first; `n_foreign` others are of no error of the run."""

    log: tuple[Coding, ...]
    n_foreign: int = 0

    @property
    def standing(self) -> tuple[Coding, ...]:
        """The codings that count, in the order in which their readers first came to the images."""
        last = {(coding.reader, coding.image_id): coding for coding in self.log}
        return tuple(coding for coding in last.values() if coding.verdict != WITHDRAWN)

    @property
    def readers(self) -> tuple[str, ...]:
        """Whose verdicts count, in the order in which they began."""
        return tuple(dict.fromkeys(coding.reader for coding in self.standing))

    def of_reader(self, reader: str) -> dict[str, Coding]:
        """The codings of a reader that count, by image id."""
        return {coding.image_id: coding for coding in self.standing if coding.reader == reader}


def append_coding(folder: Path, coding: Coding) -> None:
    """Adds a row to the log of the run in `folder`; once it returns, the row is on the disk.

    Raises:
        UsageError: there is no such folder.
        Busy: another process has kept the log for ten seconds.
        StorageError: the disk does not take it, or the log is damaged; what was there is kept.
    """
    path = folder / FILE
    if not folder.is_dir():  # the lock would make it
        raise UsageError(f"no run in {folder}: its errors cannot be coded", hint="repro runs")
    with storage_errors(path):
        try:
            with FileLock(folder / ".codings.lock", timeout=_PATIENCE_SECONDS):
                _append(path, _row(coding))
        except Timeout:
            raise Busy(
                f"another repro process writes {path}", hint="wait for it, or stop it, then code again"
            ) from None


def load_codings(folder: Path, errors: Mapping[str, tuple[int, int]] | None = None) -> Codings:
    """The codings of the run in `folder`; none where nobody has coded yet.

    Args:
        folder: the run's.
        errors: label and predicted class of the run's errors by image id. Rows of anything else (another
            run's file was copied here) are left out and counted; by default all are taken.

    Raises:
        StorageError: the log is damaged; its line is named.
    """
    path = folder / FILE
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Codings(())
    except OSError as error:
        raise StorageError(f"{path} cannot be read ({error.strerror})") from error
    rows, _ = _split(path, data)
    log = [_coding(path, line, text) for line, text in rows]
    own = [coding for coding in log if errors is None or _is_of(coding, errors)]
    return Codings(tuple(own), len(log) - len(own))


def _is_of(coding: Coding, errors: Mapping[str, tuple[int, int]]) -> bool:
    return errors.get(coding.image_id) == (coding.label, coding.predicted)


def _append(path: Path, row: bytes) -> None:
    data = path.read_bytes() if path.is_file() else b""
    _, end = _split(path, data)
    if not end:
        write_atomically(path, _HEADER + row)
        return
    with path.open("r+b") as file:
        file.truncate(end)
        file.seek(end)
        file.write(row)
        file.flush()
        os.fsync(file.fileno())


def _row(coding: Coding) -> bytes:
    text = StringIO()
    values = (getattr(coding, name) for name in COLUMNS[1:])
    csv.writer(text, lineterminator="\n").writerow([coding.at.isoformat(), *values])
    return text.getvalue().encode()


def _split(path: Path, data: bytes) -> tuple[list[tuple[int, bytes]], int]:
    """The whole rows below the header, each with the number of its first line; and where the last one ends.

    Raises:
        StorageError: the header is another one, or whole rows stand behind an unfinished one.
    """
    found = list(_whole(data))
    end = sum(len(row) for _, row in found)
    if not found and _HEADER.startswith(data):
        return [], 0
    if not found or found[0][1].rstrip() != _HEADER.rstrip():
        raise _damaged(path, 1, f"it begins with other columns than {','.join(COLUMNS)}")
    if _BEGINS.search(data, end + 1):
        raise _damaged(path, data.count(b"\n", 0, end) + 1, "its quotes are not closed")
    return found[1:], end


def _whole(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Every row that a line end outside quotes closes, with the number of its first line."""
    lines: list[bytes] = []
    n_quotes = 0
    for number, line in enumerate(BytesIO(data), 1):
        lines.append(line)
        n_quotes += line.count(b'"')
        if line.endswith(b"\n") and n_quotes % 2 == 0:
            yield number + 1 - len(lines), b"".join(lines)
            lines = []


def _coding(path: Path, line: int, row: bytes) -> Coding:
    try:
        ((at, reader, image_id, label, predicted, verdict, note),) = csv.reader([row.decode()], strict=True)
        when = datetime.fromisoformat(at)
        return Coding(reader, image_id, int(label), int(predicted), verdict, note, when)
    except (UsageError, ValueError, csv.Error) as error:
        raise _damaged(path, line, str(error)) from error


def _damaged(path: Path, line: int, reason: str) -> StorageError:
    return StorageError(
        f"{path}, line {line}: damaged ({reason})",
        hint="mend or remove that line with an editor; all others are kept",
    )
