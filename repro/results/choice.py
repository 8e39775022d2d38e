"""Which runs are meant together: those named, or all of the same images as the newest."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from repro.catalogue.models import find_model
from repro.exceptions import InvalidRun, UsageError
from repro.results.runs import find_run, list_runs, moved_runs, no_runs, read_record
from repro.specs import N_CLASSES

if TYPE_CHECKING:
    import pyarrow as pa

    from repro.results.record import RunRecord

COLUMNS = ["image_id", "path", "label", "status", "top5", "p_top5", "p_label", "rank"]
"""What the study of errors reads of a run."""


@dataclass(frozen=True, slots=True)
class RunChoice:
    """The records and rows of the runs taken, by id; and those left out, with the reason.

    `named` is how those were named that somebody named: a path, where they are in no folder of runs.
    """

    records: dict[str, RunRecord]
    rows: dict[str, pa.Table]
    left_out: dict[str, str]
    named: dict[str, str] = field(default_factory=dict)

    @property
    def models(self) -> dict[str, str]:
        return {run: record.model.name for run, record in self.records.items()}

    def typed(self, run: str) -> str:
        """What names the run on a command line."""
        return shlex.quote(self.named.get(run, run))


def choose_runs(folder: Path, names: Sequence[str], models: str | None) -> RunChoice:
    """The runs named, else all valid ones (of the models) that are of the same images as the newest.

    Raises:
        UsageError: there is none, both are asked for, or those named are of different images or classes.
        InvalidRun: one that is named is invalid.
    """
    if names and models is not None:
        raise UsageError("runs and --models exclude each other: name runs, or models of which all are taken")
    if names:
        return _named(folder, names)
    found = list_runs(folder)
    if not found:
        raise no_runs(folder)
    choice = choose_among(folder, found, models)
    return replace(choice, left_out=choice.left_out | moved_runs(folder))


def choose_among(folder: Path, found: Sequence[RunRecord], models: str | None = None) -> RunChoice:
    """The valid ones of these runs (of the models) that are of the same images as the newest, the last.

    Raises:
        UsageError: there is none of the models.
        InvalidRun: none is valid.
    """
    if models is not None:
        found = _of_models(found, models)
    valid = [record for record in found if not record.summary.invalid]
    if not valid:
        raise InvalidRun(f"none of {len(found)} runs is valid: {found[-1].summary.invalid}")
    left_out = {record.run_id: "invalid" for record in found if record.summary.invalid}
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # reading and checksums let other threads go on
        read = pool.map(lambda record: _rows(folder / record.run_id, record), valid)
        rows = dict(zip((record.run_id for record in valid), read, strict=True))
    newest = rows[valid[-1].run_id]
    same = {record.run_id: record for record in valid if _same_images(rows[record.run_id], newest)}
    left_out |= {run: "of other images" for run in rows if run not in same}
    for run in _among_other_classes(same):
        left_out[run] = "answered among other classes"
        del same[run]
    others = _of_other_bytes(same, {run: folder / run for run in same})
    left_out |= {run: f"of other images by the same names: {why}" for run, why in others.items()}
    records = {run: record for run, record in same.items() if run not in others}
    return RunChoice(records, {run: rows[run] for run in records}, left_out)


def _named(folder: Path, names: Sequence[str]) -> RunChoice:
    records: dict[str, RunRecord] = {}
    rows: dict[str, pa.Table] = {}
    named: dict[str, str] = {}
    paths: dict[str, Path] = {}
    for name in names:
        path = find_run(folder, name)
        record = read_record(path / "run.json")
        if record.summary.invalid:
            raise InvalidRun(f"{record.run_id} is INVALID: {record.summary.invalid}")
        records[record.run_id] = record
        named[record.run_id] = name
        paths[record.run_id] = path
        rows[record.run_id] = _rows(path, record)
    first, *others = records
    for run in others:
        if not _same_images(rows[first], rows[run]):
            raise UsageError(
                f"runs of different images: {first} has {rows[first].num_rows:,}, {run} has "
                f"{rows[run].num_rows:,}, and not the same; errors are counted over runs of the same images",
                hint="repro runs",
            )
    refuse_other_classes(records)
    for run, why in _of_other_bytes(records, paths).items():
        raise UsageError(f"runs of different images by the same names: in {run}, {why}", hint="repro runs")
    return RunChoice(records, rows, {}, named)


def refuse_other_classes(records: Mapping[str, RunRecord]) -> None:
    """Refuses runs that cannot be compared, though they be of the same images.

    Raises:
        UsageError: of two that were made here the arg-max was taken over different classes.
    """
    for run, last in _among_other_classes(records).items():
        choices, others = (len(records[one].dataset.classes) or N_CLASSES for one in (run, last))
        raise UsageError(
            f"runs of other classes: {run} answered among {choices:,}, {last} among {others:,}; "
            "where one may err, the other had no choice",
            hint="repro eval, with the same --test-set for both or without it",
        )


def _among_other_classes(records: Mapping[str, RunRecord]) -> dict[str, str]:
    """The runs whose arg-max was taken over other classes than that of the last made here; and that last.

    Imported predictions do not tell among which classes they were made.
    """
    classes = {run: record.dataset.classes for run, record in records.items() if not record.imported}
    *others, last = classes or [""]
    return {run: last for run in others if classes[run] != classes[last]}


def _of_models(found: Sequence[RunRecord], models: str) -> list[RunRecord]:
    wanted = list(dict.fromkeys(filter(None, (name.strip() for name in models.split(",")))))
    there = sorted({record.model.name for record in found})
    if not wanted:
        raise UsageError(f"--models names none; there are runs of {', '.join(there)}")
    wanted = [name if name in there else _in_catalogue(name) for name in wanted]
    for name in wanted:
        if name not in there:
            raise UsageError(f"no run of {name!r}; there are runs of {', '.join(there)}", hint="repro runs")
    return [record for record in found if record.model.name in wanted]


def _in_catalogue(name: str) -> str:
    """The catalogue's own name of a model that it also knows by another; else `name`."""
    with suppress(UsageError):
        return find_model(name).name
    return name


def _rows(path: Path, record: RunRecord, columns: Sequence[str] = COLUMNS) -> pa.Table:
    from repro.results.store import read_rows

    return read_rows(path, record, list(columns))


def _same_images(first: pa.Table, second: pa.Table) -> bool:
    """Whether both are of the same images under the same labels; rows are sorted by image id."""
    identity = ["image_id", "label"]
    return bool(first.select(identity).equals(second.select(identity)))


def _of_other_bytes(records: Mapping[str, RunRecord], paths: Mapping[str, Path]) -> dict[str, str]:
    """Of runs of the same names and labels, those of other bytes than the last that was made here; why.

    Imported predictions came without bytes, and differ from none.
    """
    import pyarrow.compute as pc

    *others, last = [run for run, record in records.items() if not record.imported] or [""]
    found = {}
    for run in others:
        if records[run].dataset.digest == records[last].dataset.digest:
            continue
        # Also where an image could not be read in one of them, which is no other image.
        ours, theirs = (_rows(paths[one], records[one], ["image_id", "sha256"]) for one in (run, last))
        differs = pc.fill_null(pc.not_equal(ours["sha256"], theirs["sha256"]), False)
        if n := pc.sum(differs).as_py():
            image_id = ours.filter(differs)["image_id"][0]
            found[run] = f"{n:,} of {len(ours):,} have other bytes than in {last} ({image_id}, …)"
    return found
