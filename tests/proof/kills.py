"""Real SIGKILLs at random moments: of a process that writes a run, and of a whole `repro eval`.

After each kill what is kept must be whole and right; at the end the rows must be, byte for byte, those
of a run that nobody disturbed, and nothing else may be left in its folder.
"""

from __future__ import annotations

import hashlib
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq

from tests.proof.toy import Quiet, Toy, evaluate_toys

CHECKOUT = Path(__file__).parents[2]

TOY = Toy(n_images=96, batch_size=4, shard_images=8, pause_seconds=0.002)

PHOTO_COPIES = 13
BATCH_SIZE = 129
"""The smallest with one batch a shard: what `repro eval` keeps is finest then."""

SURVIVORS_SECONDS = 60.0
"""How long loader processes may outlive a killed evaluation; torch lets them look every 5 s."""

Counts = dict[str, int]


@dataclass
class Victim:
    """A command that is begun, killed and begun again until it ends; `counts` are kept over all of it."""

    command: Callable[[Path], list[str]]
    root: Path
    counts: Counts
    chance: random.Random
    rows: dict[str, dict[str, object]] = field(default_factory=dict)
    sha256: str = ""
    seconds: float = 0.0
    kept: set[str] = field(default_factory=set)

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    def run_undisturbed(self) -> None:
        """Sets what is right, and how long a run takes once it has begun."""
        with self._started() as process:
            started = self._await_begin(process)
            assert process.wait() == 0, "the evaluation fails even undisturbed"
        self.seconds = time.monotonic() - started
        path = self._folder() / "predictions.parquet"
        self.sha256 = _sha256(path)
        self.rows = _rows(path)
        shutil.rmtree(self.runs)

    def kill_once(self) -> None:
        """Runs until a random moment; a run that ends before it is judged, and its place cleared."""
        with self._started() as process:
            self._await_begin(process)
            try:
                process.wait(self.chance.uniform(0, 0.8 * self.seconds))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                self.counts["kills"] += 1
                self._count_survivors(process.pid)
        if process.returncode == 0:
            self._judge_end()
        else:
            self._judge_kept()

    def end(self) -> None:
        """Lets the last one end."""
        with self._started() as process:
            assert process.wait() == 0, f"it does not go on after {self.counts['kills']} kills"
        self._judge_end()

    @contextmanager
    def _started(self) -> Iterator[subprocess.Popen[bytes]]:
        log = self.root / "log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                self.command(self.runs), cwd=CHECKOUT, stdout=file, stderr=file, start_new_session=True
            )
        with process:
            yield process
        assert process.returncode in (0, -9), f"exit code {process.returncode}: {log.read_text()}"

    def _await_begin(self, process: subprocess.Popen[bytes]) -> float:
        """Waits until the process has taken its run, or has ended."""
        while process.poll() is None:
            if any(_text(path) == str(process.pid) for path in self.runs.glob("*/.owner")):
                break
            time.sleep(0.002)
        return time.monotonic()

    def _count_survivors(self, group: int) -> None:
        deadline = time.monotonic() + SURVIVORS_SECONDS
        while _processes(group):
            if time.monotonic() > deadline:
                self.counts["leftovers"] += len(_processes(group))
                return
            time.sleep(0.05)

    def _judge_kept(self) -> None:
        """What is under final names is whole and right; what was kept before is still there."""
        folder = self._folder()
        shards = {path.name: path for path in folder.glob("shards/*.parquet")}
        indices = {name[:5] for name in shards}
        self.counts["doubled"] += len(shards) - len(indices)
        for path in shards.values():
            right = _sha256(path) == path.stem[6:] and _rows(path).items() <= self.rows.items()
            self.counts["different_bytes"] += not right
        finished = (folder / "run.json").exists()
        if finished:
            self.counts["different_bytes"] += _sha256(folder / "predictions.parquet") != self.sha256
        else:
            self.counts["lost"] += len(self.kept - shards.keys())
        self.kept = set(shards)

    def _judge_end(self) -> None:
        folder = self._folder()
        rows = pq.read_table(folder / "predictions.parquet")["image_id"].to_pylist()
        self.counts["doubled"] += len(rows) - len(set(rows))
        self.counts["lost"] += len(self.rows.keys() - set(rows))
        self.counts["different_bytes"] += _sha256(folder / "predictions.parquet") != self.sha256
        names = {path.name for path in folder.iterdir()} - {".lock"}
        self.counts["leftovers"] += len(names - {"predictions.parquet", "run.json"})
        self.kept = set()
        shutil.rmtree(self.runs)

    def _folder(self) -> Path:
        (lock,) = self.runs.glob("*/.lock")
        return lock.parent


def kill_store(n: int, seed: int = 1) -> Counts:
    """Kills `n` times a process that writes runs through the store, without torch."""
    with tempfile.TemporaryDirectory() as folder:
        return _kill(n, lambda runs: [sys.executable, "-m", "tests.proof.kills", str(runs)], folder, seed)


def kill_evaluations(n: int, seed: int = 1, copies: int = PHOTO_COPIES) -> Counts:
    """Kills `n` times `repro eval` of EfficientNet-Lite0 on copies of foolbox's 20 photographs."""
    with tempfile.TemporaryDirectory() as folder:
        data = copy_photos(Path(folder) / "val", copies)
        options = f"eval --models efficientnet_lite0 --data {data} --batch-size {BATCH_SIZE} --device cpu"
        return _kill(
            n,
            lambda runs: [sys.executable, "cli.py", *options.split(), "--workers", "1", "--runs", str(runs)],
            folder,
            seed,
        )


def _kill(n: int, command: Callable[[Path], list[str]], folder: str, seed: int) -> Counts:
    counts = dict.fromkeys(("kills", "lost", "doubled", "different_bytes", "leftovers"), 0)
    victim = Victim(command, Path(folder), counts, random.Random(seed))
    victim.run_undisturbed()
    while counts["kills"] < n:
        victim.kill_once()
    victim.end()
    return counts


def copy_photos(root: Path, copies: int) -> Path:
    """Class folders of foolbox's photographs; a comment in each file makes it another one."""
    from repro.catalogue.classes import load_classes
    from repro.datasets.photos20 import Photos20

    photos = Photos20.open()
    for sample in photos.samples:
        data = photos.read(sample)
        folder = root / load_classes()[sample.label].wnid
        folder.mkdir(parents=True, exist_ok=True)
        for i in range(copies):
            comment = b"\xff\xfe\x00\x06" + f"{i:04d}".encode()
            (folder / f"{sample.image_id}_{i}.JPEG").write_bytes(data[:2] + comment + data[2:])
    return root


def _processes(group: int) -> list[int]:
    """The living processes of a group."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        state, _parent, its_group = _text(path).rpartition(")")[2].split()[:3] or ("Z", "", "0")
        if int(its_group) == group and state != "Z":
            found.append(int(path.parent.name))
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""  # gone meanwhile


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _rows(path: Path) -> dict[str, dict[str, object]]:
    """The rows by image; their order in a dictionary is not looked at."""
    return {row["image_id"]: {**row, "top5": str(row["top5"])} for row in pq.read_table(path).to_pylist()}


if __name__ == "__main__":
    evaluate_toys(Path(sys.argv[1]), [TOY], Quiet())
