"""Random histories of stops, kills, damage and change: after each step every row kept is a run's own, once.

A Hypothesis state machine drives the product's store and pass over the images, in this process. The
"second process" is a second opening of the lock file, which the kernel treats as another owner.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from functools import cache
from pathlib import Path
from random import Random

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from repro.exceptions import Busy
from repro.results.store import RunFolder, read_rows
from repro.specs import Protocol
from tests.proof.faulty_disk import MOMENTS, FaultyDisk, Kill, Killed
from tests.proof.toy import Quiet, Stopped, Toy, Unbroken, cut, evaluate_toys, folder_of, row_of, run_unbroken

PROTOCOLS = tuple(Protocol(224, crop) for crop in (0.875, 0.9, 0.95))
BATCH_SIZES = (2, 4)
TOYS = tuple(Toy(protocol, batch_size) for protocol in PROTOCOLS for batch_size in BATCH_SIZES)

STEPS = 8
"""At most, in one history."""

N_CALLS = 130
"""An evaluation of one toy makes some 120 calls to the disk; some kills thus come too late."""

CHANCE = st.randoms(use_true_random=True)
"""Evenly spread, as Hypothesis's own integers are not; seeded by Hypothesis, so it can be repeated."""


class StopAfter(Quiet):
    """Stops once so many batches are scored."""

    def __init__(self, n_batches: int) -> None:
        super().__init__()
        self.left = n_batches

    def scored(self, n: int) -> None:
        self.left -= 1
        if self.left == 0:
            raise Stopped


class History(RuleBasedStateMachine):
    """One folder of runs, and what must be true of it; `good` are the shards that no one damaged."""

    totals: dict[str, int]

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(dir=fast_folder()))
        self.toy = TOYS[0]
        self.good: dict[Toy, set[str]] = {toy: set() for toy in TOYS}
        self.damaged: set[Path] = set()
        self.finished: set[Toy] = set()
        self.killed: set[Toy] = set()

    def teardown(self) -> None:
        """Whatever has happened to a run, the same command ends it."""
        try:
            for toy in TOYS:
                if self._folder_of(toy).path.is_dir():
                    self.toy = toy
                    self.run_to_the_end(other=False)
                    self.no_row_is_lost_doubled_or_foreign()
        finally:
            shutil.rmtree(self.root)
            self.totals["histories"] += 1

    # What people, machines and disks do

    @rule(chance=CHANCE, other=st.booleans())
    def run_and_stop(self, chance: Random, other: bool) -> None:
        self._evaluate(StopAfter(chance.randint(1, 6)), other)

    @precondition(lambda self: self.toy not in self.finished)
    @rule(other=st.booleans())
    def run_to_the_end(self, other: bool) -> None:
        self._evaluate(Quiet(), other)
        names = {path.name for path in self._folder().path.iterdir()}
        assert names - {".lock"} == {"predictions.parquet", "run.json"}, names
        self._read_back()

    @rule(chance=CHANCE, moment=st.sampled_from(MOMENTS), other=st.booleans())
    def kill(self, chance: Random, moment: str, other: bool) -> None:
        with FaultyDisk(Kill(chance.randrange(N_CALLS * (1 + other)), moment)):
            self._evaluate(Quiet(), other)

    @precondition(lambda self: any(self._shards()))
    @rule(how=st.sampled_from(["flip", "cut", "delete", "foreign", "misplaced"]), chance=CHANCE)
    def damage_a_shard(self, how: str, chance: Random) -> None:
        path = chance.choice(self._shards())
        self.toy = next(toy for toy in TOYS if path.is_relative_to(self._folder_of(toy).path))
        data = bytearray(path.read_bytes())
        where = chance.randrange(len(data)) if data else 0
        self.good[self.toy].discard(path.name)
        self.damaged.add(path)
        if how == "flip":
            data[where : where + 1] = bytes(
                byte ^ 1 << chance.randrange(8) for byte in data[where : where + 1]
            )
            path.write_bytes(data)
        elif how == "cut":
            path.write_bytes(data[:where])
        else:
            path.unlink()
        if how in ("foreign", "misplaced"):
            self._plant(path, how, chance)

    def _plant(self, path: Path, how: str, chance: Random) -> None:
        """Another run's shard in its place, or this run's shard in another's place: whole files, both."""
        index = int(path.name[:5])
        source = self.toy if how == "misplaced" else chance.choice([t for t in TOYS if t != self.toy])
        n = len(cut(self.toy))
        wanted = (index + 1) % n if how == "misplaced" else index
        (name,) = [name for name in unbroken(source).shards if int(name[:5]) == wanted]
        planted = path.with_name(f"{index:05d}{name[5:]}")
        planted.write_bytes(unbroken(source).shards[name])
        self.damaged.add(planted)

    @rule(which=st.integers(0, len(TOYS) - 1))
    def change_the_protocol_or_the_numerics(self, which: int) -> None:
        self.toy = TOYS[which]

    @rule()
    def start_a_second_process(self) -> None:
        """It is refused, unless the run is finished and there is nothing to write."""
        whole = self._folder().is_whole()
        try:
            with self._folder().locked():
                evaluate_toys(self.root, [self.toy], Quiet())
                assert whole, "two processes wrote one run"
        except Busy:
            assert not whole, "a finished run was refused"

    def _read_back(self) -> None:
        record = self._folder().record()
        assert record is not None
        rows = read_rows(self._folder().path, record).to_pylist()
        assert rows == [row_of(self.toy, sample) for sample in self.toy.samples]
        assert not record.summary.invalid
        assert record.summary.n == record.summary.n_scored == len(rows) == self.toy.n_images

    # What must be true after each of them

    @invariant()
    def no_row_is_lost_doubled_or_foreign(self) -> None:
        self.totals["steps"] += 1
        for toy in TOYS:
            path = self._folder_of(toy).path
            if path.is_dir():
                self._check_shards(toy, path)
                self._check_end(toy, path)

    def _check_shards(self, toy: Toy, path: Path) -> None:
        expected, found = unbroken(toy).shards, set()
        for shard in path.glob("shards/*.parquet"):
            if expected.get(shard.name) == shard.read_bytes():
                found.add(shard.name)
                self.damaged.discard(shard)
            else:
                assert shard in self.damaged, f"{shard} holds foreign or half-written rows"
        finished = (path / "run.json").exists()
        assert finished or self.good[toy] <= found, "a kept shard was lost"
        self.good[toy] = found

    def _check_end(self, toy: Toy, path: Path) -> None:
        files = {name: path / name for name in ("predictions.parquet", "run.json")}
        if files["run.json"].exists():
            self.finished.add(toy)
        if toy in self.finished:
            assert files["run.json"].read_bytes() == unbroken(toy).record, "a finished run was changed"
            assert files["predictions.parquet"].read_bytes() == unbroken(toy).predictions, "other bytes"
        left = [*path.glob(".*.tmp"), *path.glob("shards/.*.tmp")]
        assert toy in self.killed or not left, f"left behind: {left}"

    def _shards(self) -> list[Path]:
        return sorted(self.root.glob("*/shards/*.parquet"))

    def _folder(self) -> RunFolder:
        return self._folder_of(self.toy)

    def _folder_of(self, toy: Toy) -> RunFolder:
        return folder_of(self.root, toy)

    def _evaluate(self, watcher: Quiet, other: bool) -> None:
        """This toy's run, and in the same pass that of the next protocol."""
        following = PROTOCOLS[(PROTOCOLS.index(self.toy.protocol) + 1) % len(PROTOCOLS)]
        toys = [self.toy, Toy(following, self.toy.batch_size)][: 1 + other]
        try:
            evaluate_toys(self.root, toys, watcher)
        except Stopped:
            pass
        except Killed:
            self.killed.update(toys)
            return
        self.killed.difference_update(toys)


def check(n: int, shorten: bool = True) -> dict[str, int]:
    """Runs at least `n` histories; the first violation ends them, and is told as short as it can be made."""
    History.totals = {"histories": 0, "steps": 0, "violations": 0}
    for toy in TOYS:
        unbroken(toy)
    profile = settings(
        max_examples=n,
        stateful_step_count=STEPS,
        database=None,
        deadline=None,
        derandomize=True,
        report_multiple_bugs=False,
        phases=[Phase.generate, *([Phase.shrink] if shorten else [])],
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(History, settings=profile)
    except Exception as violation:
        History.totals["violations"] += 1
        notes = getattr(violation, "__notes__", [])
        sys.stderr.write("\n".join([repr(violation), *notes]) + "\n")
    return dict(History.totals)


@cache
def unbroken(toy: Toy) -> Unbroken:
    with tempfile.TemporaryDirectory(dir=fast_folder()) as folder:
        return run_unbroken(Path(folder), toy)


def fast_folder() -> str | None:
    """Memory where there is some: what a power cut does is not tried here."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None
