"""SQLite's loop: the k-th call to the disk fails, for every k, once and for good; nothing may be lost by it.

After each fault the error must be the one that tells people so (`StorageError`), and the same
evaluation, begun again on a sound disk, must end with the bytes of an unbroken run and no other file.
"""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from repro.exceptions import StorageError
from tests.proof.faulty_disk import FaultyDisk, Refuse
from tests.proof.histories import fast_folder
from tests.proof.toy import (
    Quiet,
    StopAfterFirstShard,
    Stopped,
    Toy,
    Unbroken,
    evaluate_toys,
    finish_toy,
    folder_of,
    run_unbroken,
)

TOY = Toy(n_images=6, batch_size=2, shard_images=4)
ERRNOS = (errno.ENOSPC, errno.EIO)

Counts = dict[str, int]


def nothing_yet(_root: Path, _unbroken: Unbroken) -> None:
    """A run that begins."""


def half_way(root: Path, unbroken: Unbroken) -> None:
    """A run that was killed in the middle of a write, and whose first shard was damaged since."""
    stop_after_first_shard(root)
    shards = folder_of(root, TOY).path / "shards"
    (first,) = shards.glob("*.parquet")
    first.write_bytes(first.read_bytes()[:-9])
    (shards / ".0123.tmp").write_bytes(b"half")


def one_shard_kept(root: Path, unbroken: Unbroken) -> None:
    """A run that was stopped."""
    stop_after_first_shard(root)


def just_finished(root: Path, unbroken: Unbroken) -> None:
    """A run that was killed after its record was written and before its shards were removed."""
    evaluate_toys(root, [TOY], Quiet())
    shards = folder_of(root, TOY).path / "shards"
    shards.mkdir()
    for name, data in unbroken.shards.items():
        (shards / name).write_bytes(data)


def invalid_before(root: Path, unbroken: Unbroken) -> None:
    """A run that was finished without all its images, and can be completed now."""
    stop_after_first_shard(root)
    finish_toy(TOY, folder_of(root, TOY))


BEGINNINGS = (nothing_yet, half_way, one_shard_kept, just_finished, invalid_before)


def stop_after_first_shard(root: Path) -> None:
    with suppress(Stopped):
        evaluate_toys(root, [TOY], StopAfterFirstShard())


def check(every: int = 1) -> Counts:
    """`calls` of the five evaluations, each failed (or each `every`-th) in `runs`, and what that harmed.

    Raises:
        AssertionError: an error is not the one that tells people so, or a call reached the disk unseen.
    """
    counts = {"calls": 0, "runs": 0, "lost": 0, "doubled": 0, "half_written": 0}
    with tempfile.TemporaryDirectory(dir=fast_folder()) as folder:
        unbroken = run_unbroken(Path(folder), TOY)
        for begin in BEGINNINGS:
            counts["calls"] += _count_calls(begin, unbroken)
            for code in ERRNOS:
                for persistent in (False, True):
                    _fail_calls(begin, unbroken, Refuse(0, code, persistent), every, counts)
    return counts


def _count_calls(begin: Callable[[Path, Unbroken], None], unbroken: Unbroken) -> int:
    """How many calls one evaluation makes; none of them may pass by the faulty disk."""
    with tempfile.TemporaryDirectory(dir=fast_folder()) as folder:
        begin(Path(folder), unbroken)
        with FaultyDisk(root=Path(folder)) as disk:
            evaluate_toys(Path(folder), [TOY], Quiet())
    assert not disk.unseen, disk.unseen
    return len(disk.calls)


def _fail_calls(
    begin: Callable[[Path, Unbroken], None], unbroken: Unbroken, like: Refuse, every: int, counts: Counts
) -> None:
    at, happened = 0, True
    while happened:
        root = Path(tempfile.mkdtemp(dir=fast_folder()))
        begin(root, unbroken)
        before = _good_shards(root, unbroken), _contents(root)
        fault = Refuse(at, like.errno, like.persistent)
        happened = _evaluate_with(fault, root)
        counts["runs"] += happened
        _judge(root, unbroken, *before, counts)
        shutil.rmtree(root)
        at += every


def _evaluate_with(fault: Refuse, root: Path) -> bool:
    """Whether the fault happened; an evaluation that it stopped must say so as every failing disk does."""
    name = ""
    with FaultyDisk(fault, root) as disk:
        try:
            evaluate_toys(root, [TOY], Quiet())
        except StorageError:
            pass
        except BaseException as error:
            name = disk.calls[fault.at]
            raise AssertionError(f"call {fault.at} ({name}) failed and raised {error!r}") from error
    assert not disk.unseen, disk.unseen
    return fault.happened


def _judge(root: Path, unbroken: Unbroken, kept: set[str], contents: set[bytes], counts: Counts) -> None:
    """Looks at what the fault left, then begins again and looks at the end."""
    path = folder_of(root, TOY).path
    indices = [shard.name[:5] for shard in path.glob("shards/*.parquet")]
    counts["doubled"] += len(indices) - len(set(indices))
    counts["lost"] += len(kept - _good_shards(root, unbroken)) if not _is_whole(path, unbroken) else 0
    counts["half_written"] += _count_half_written(path, unbroken, contents)
    evaluate_toys(root, [TOY], Quiet())
    names = {file.name for file in path.iterdir()} - {".lock"}
    assert names == {"predictions.parquet", "run.json"}, f"left behind: {names}"
    counts["lost"] += (path / "predictions.parquet").read_bytes() != unbroken.predictions
    counts["half_written"] += (path / "run.json").read_bytes() != unbroken.record


def _good_shards(root: Path, unbroken: Unbroken) -> set[str]:
    """The shards whose bytes are right; one set aside for a failing read counts, its rows are there."""
    files = folder_of(root, TOY).path.glob("shards/[0-9]*")
    good = {data: name for name, data in unbroken.shards.items()}
    return {good[data] for data in (file.read_bytes() for file in files) if data in good}


def _contents(root: Path) -> set[bytes]:
    return {file.read_bytes() for file in root.rglob("*") if file.is_file()}


def _is_whole(path: Path, unbroken: Unbroken) -> bool:
    record = path / "run.json"
    return record.exists() and record.read_bytes() == unbroken.record


def _count_half_written(path: Path, unbroken: Unbroken, before: set[bytes]) -> int:
    """Files under final names with bytes neither right nor there before; a record beside other rows."""
    whole = {**unbroken.shards, "predictions.parquet": unbroken.predictions, "run.json": unbroken.record}
    files = [*path.glob("shards/*.parquet"), path / "predictions.parquet", path / "run.json"]
    found = {file.name: file.read_bytes() for file in files if file.exists()}
    n = sum(data != whole[name] and data not in before for name, data in found.items())
    if "run.json" in found:
        sha256 = json.loads(found["run.json"])["predictions_sha256"]
        n += sha256 != hashlib.sha256(found.get("predictions.parquet", b"")).hexdigest()
    return n
