"""The folder of runs: where it is, what lies in it, which run is meant.

    runs/
      poolformer_s24-imagenet-val-authors-1a2b3c4d/
        run.json                 the record, written last
        predictions.parquet      the rows
        shards/00012-….parquet   only while the run is under way; the name ends in its SHA-256
      crops/                     crops of `repro eval --prepare`
      complexity/                counted parameters and MACs
      manifests/                 what the images of a dataset are, by `repro doctor`

A run's name ends in its fingerprint: the digest of all that decides its bytes. What another
model, protocol, dataset or environment wrote can therefore never be taken for it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from repro.exceptions import StorageError, UsageError
from repro.results.record import RunRecord
from repro.specs import spelled_address

RUNS_VARIABLE = "REPRO_RUNS"
DATA_VARIABLE = "REPRO_DATA"
LABELS_VARIABLE = "REPRO_LABELS"
"""Where the error browser finds images and labels, if not where a run says."""


def runs_folder(option: Path | None = None) -> Path:
    """Where runs lie: the option, else `$REPRO_RUNS`, else `runs/` in the working directory.

    Raises:
        UsageError: it is an address of object storage.
    """
    folder = option or Path(os.environ.get(RUNS_VARIABLE) or "runs")
    refuse_address("--runs", folder)
    return folder


def refuse_address(option: str, folder: Path) -> None:
    """Holds what is written to folders.

    Raises:
        UsageError: `folder` spells an address, and would be taken for a folder `s3:` here.
    """
    if address := spelled_address(folder):
        raise UsageError(
            f"{option} is a folder of this machine, or one that is mounted here; "
            f"nothing is written to {address}",
            hint=f"{option} with a folder",
        )


def name_run(model: str, dataset: str, protocol_name: str, fingerprint: str) -> str:
    """`poolformer_s24-imagenet-val-authors-1a2b3c4d`, safe as a folder's name."""
    return "-".join(map(file_name, (model, dataset, protocol_name, fingerprint[:8])))


def is_run_name(text: str) -> bool:
    """Whether a run can be called so: no markup, no path, nothing that cannot be seen."""
    return re.fullmatch(r"[A-Za-z0-9._:+-]+", text) is not None


def file_name(text: str) -> str:
    """`text` without what is not safe in the name of a file."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", text)[:60]


def read_record(path: Path) -> RunRecord:
    """The record in `path`.

    Raises:
        StorageError: it is damaged, cannot be read, or was written by a newer version.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(f"{path} cannot be read ({error})") from error
    return RunRecord.from_json(text, path)


def read_if_there(path: Path) -> RunRecord | None:
    """The record in `path`; None if it went since it was found: its run is being mended, or was removed.

    Raises:
        StorageError: as for `read_record`.
    """
    try:
        return read_record(path)
    except StorageError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return None
        raise


@dataclass(frozen=True, slots=True)
class Finished:
    """The finished runs of a folder, oldest first.

    Besides them, by folder: those called otherwise than their run, copies too, and why; and what is wrong
    with those whose record cannot be read.
    """

    records: tuple[RunRecord, ...]
    moved: dict[str, str]
    damaged: Mapping[str, StorageError]


def find_finished(folder: Path) -> Finished:
    """Looks at every run in `folder`; one that is damaged keeps no other from being found."""
    found: dict[str, RunRecord] = {}
    damaged: dict[str, StorageError] = {}
    for path in sorted(folder.glob("*/run.json")):
        try:
            if record := read_if_there(path):
                found[path.parent.name] = record
        except StorageError as reason:
            damaged[path.parent.name] = reason
    moved = {name: why for name, record in found.items() if (why := why_moved(name, record))}
    there = (record for name, record in found.items() if name not in moved)
    return Finished(tuple(sorted(there, key=lambda run: (run.started, run.run_id))), moved, damaged)


def list_runs(folder: Path) -> list[RunRecord]:
    """The finished runs in `folder`, oldest first, without those that were moved (`moved_runs`).

    Raises:
        StorageError: one is damaged.
    """
    return list(_whole(folder).records)


def moved_runs(folder: Path) -> dict[str, str]:
    """By name the folders in `folder` that are called otherwise than their run, copies too; and why.

    Raises:
        StorageError: one is damaged.
    """
    return _whole(folder).moved


def _whole(folder: Path) -> Finished:
    finished = find_finished(folder)
    for reason in finished.damaged.values():
        raise reason
    return finished


def why_moved(name: str, record: RunRecord) -> str:
    """Why the run in a folder of that name is not to be found by its id; empty where it is."""
    return "" if record.run_id == name else f"it was moved: its record is that of {record.run_id}"


def no_runs(folder: Path) -> UsageError:
    """What is wrong with a folder in which `list_runs` finds none."""
    for name, why in moved_runs(folder).items():
        return UsageError(f"no runs in {folder} but {name}, and {why}", hint="rename the folder back")
    return UsageError(f"no runs in {folder}", hint="repro demo")


def find_run(folder: Path, text: str) -> Path:
    """The folder of the run called `text`: an id, a unique beginning of one, or else a path.

    Raises:
        UsageError: none, or several, are meant.
    """
    matches = sorted(path.parent for path in folder.glob("*/run.json") if path.parent.name.startswith(text))
    exact = [path for path in matches if path.name == text]
    if len(matches) > 1 and not exact:  # a copy under another name is in no table, and is not meant
        matches = [path for path in matches if not _was_moved(path)]
    if len(exact or matches) == 1:
        return (exact or matches)[0]
    if (Path(text) / "run.json").is_file():
        return Path(text)
    found = (
        f"{len(matches)} runs begin so: {', '.join(p.name for p in matches[:3])}"
        if matches
        else "there is none"
    )
    raise UsageError(f"no run is meant by {text!r} in {folder}: {found}", hint="repro runs")


def _was_moved(path: Path) -> bool:
    try:
        return bool(why_moved(path.name, read_record(path / "run.json")))
    except StorageError:  # whoever names it is told so
        return False
