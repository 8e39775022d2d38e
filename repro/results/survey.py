"""All that lies in a folder of runs: those that can be read, and what is wrong with the others."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from repro.exceptions import StorageError
from repro.results.record import RunRecord
from repro.results.runs import is_run_name, read_if_there, why_moved

UNFINISHED = "not finished: the command that began it goes on where it was"


@dataclass(frozen=True, slots=True)
class Survey:
    """The whole runs that may be believed, oldest first; the others by folder, each with its reason."""

    records: tuple[RunRecord, ...]
    left_out: Mapping[str, str]


def survey(folder: Path) -> Survey:
    """Looks at every run in `folder`; one that is damaged keeps no other from being read."""
    found: list[RunRecord] = []
    left_out: dict[str, str] = {}
    for path in sorted({*folder.glob("*/run.json"), *folder.glob("*/shards")}):
        name = path.parent.name
        if path.name == "shards":
            if not (path.parent / "run.json").exists():  # an invalid run keeps some, to be mended
                left_out[name] = UNFINISHED
            continue
        try:
            record = _verified(path.parent)
        except StorageError as reason:
            left_out[name] = str(reason)
            continue
        if record is None:
            continue
        if record.summary.invalid:
            left_out[name] = f"INVALID: {record.summary.invalid}"
        elif why := why_moved(name, record):
            left_out[name] = why
        elif not is_run_name(name):
            left_out[name] = "no run is called so: names are made of letters, digits and . _ : + -"
        else:
            found.append(record)
    return Survey(tuple(sorted(found, key=lambda record: (record.started, record.run_id))), left_out)


def stamp(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Changes whenever what `survey` reads does: names, times and lengths of the files, read by none."""
    paths = (path for name in ("run.json", "predictions.parquet") for path in folder.glob(f"*/{name}"))
    found = []
    for path in sorted(paths):
        with suppress(FileNotFoundError):  # its run is being mended, or was removed
            status = path.stat()
            found.append((f"{path.parent.name}/{path.name}", status.st_mtime_ns, status.st_size))
    return (*found, *((f"{path.parent.name}/shards", 0, 0) for path in sorted(folder.glob("*/shards"))))


def _verified(path: Path) -> RunRecord | None:
    """The record of the run in `path`, whose rows are those that were written, with the counts they give.

    None if it went since it was found.

    Raises:
        StorageError: either is damaged.
    """
    from repro.results.store import read_rows
    from repro.results.summary import recount

    record = read_if_there(path / "run.json")
    if record is None:
        return None
    rows = read_rows(path, record, ["label", "status", "rank", "top5"])
    return replace(record, summary=recount(record.summary, rows))
