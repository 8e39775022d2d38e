"""Several trainings at a time, each in a process of its own with few threads.

A small network leaves the threads of one process waiting for each other: on two cores `small` trains on 380
to 405 images/s in one process of two threads, on 610 in two processes of one.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import connection, get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from repro.exceptions import Busy, ProcessLost, ReproError

if TYPE_CHECKING:  # a process that begins here imports torch only once it leaves interrupts to its parent
    from repro.training.train import Training, Watcher

MOST_BY_DEFAULT = 8
"""Each process takes most of a GB."""

HELD_SECONDS = 2
"""How often it is asked whether another process still trains what is missing."""

Job = tuple["Training", Path]
"""A training and its folder."""

Record = dict[str, Any]
"""That of one training, as `train` returns it."""

LOST = (EOFError, ConnectionError)
"""What reading from a process that is gone raises, or writing to it."""


@dataclass(frozen=True, slots=True)
class Share:
    """How a machine is shared out: `at_once` trainings at a time, each on `threads` threads of a CPU."""

    at_once: int
    threads: int | None

    @classmethod
    def of(cls, device: str, n_cores: int, at_once: int | None, threads: int | None) -> Share:
        """Where not asked for: a GPU for one, a CPU's cores for as many as they are, up to eight."""
        if device != "cpu" or at_once == 1:
            return cls(at_once or 1, threads)
        chosen = at_once or max(1, min(n_cores // (threads or 1), MOST_BY_DEFAULT))
        return cls(chosen, threads or max(1, n_cores // chosen))


def train_all(
    jobs: Sequence[Job], share: Share, watch: Callable[[int], Watcher]
) -> Generator[dict[int, Record]]:
    """All records so far, by their jobs' indices in order: of those done before, then more as they end.

    The same command on other machines or GPUs shares the work: what another process trains is waited for,
    and taken over where it stops. `watch` gives the watcher of a job as it begins. To close the generator
    ends the processes; whole epochs are kept.

    Raises:
        UsageError, DataRefused, StorageError: as `train`; the other trainings are ended.
        ProcessLost: a process was ended from outside.
    """
    records = _find_records(jobs)
    if records:
        yield records
    told: set[int] = set()
    while missing := [index for index in range(len(jobs)) if index not in records]:
        held = {index for index in missing if _is_held(jobs[index])}
        for index in sorted(held - told):
            watch(index).held()
        told |= held
        begin = _one_after_another if share.at_once == 1 else _in_processes
        with closing(begin(jobs, [index for index in missing if index not in held], share, watch)) as ended:
            for index, record in ended:
                if record:
                    records = dict(sorted({**records, index: record}.items()))
                    yield records
        others = _find_records(jobs)
        if others.keys() != records.keys():
            records = others
            yield records
        elif held:
            time.sleep(HELD_SECONDS)


def _find_records(jobs: Sequence[Job]) -> dict[int, Record]:
    from repro.training.checkpoints import TrainingFolder

    found = (TrainingFolder(folder, training.identity).record() for training, folder in jobs)
    return {index: record for index, record in enumerate(found) if record}


def _is_held(job: Job) -> bool:
    """Whether another process trains this."""
    from repro.training.checkpoints import TrainingFolder

    training, folder = job
    try:
        with TrainingFolder(folder, training.identity).locked():
            return False
    except Busy:
        return True


def _one_after_another(
    jobs: Sequence[Job], missing: Sequence[int], share: Share, watch: Callable[[int], Watcher]
) -> Generator[tuple[int, Record | None]]:
    for index in missing:
        yield index, _train(jobs[index], share.threads, watch(index))


def _in_processes(
    jobs: Sequence[Job], missing: Sequence[int], share: Share, watch: Callable[[int], Watcher]
) -> Generator[tuple[int, Record | None]]:
    waiting = iter(missing)
    busy: dict[Connection, tuple[int, Watcher]] = {}
    crew: list[BaseProcess] = []

    def give_next(to: Connection) -> None:
        busy.pop(to, None)
        if (index := next(waiting, None)) is not None:
            with _lost_is_told():
                to.send(index)
            busy[to] = index, watch(index)

    try:
        for _ in missing[: share.at_once]:
            process, ours = _begin()
            crew.append(process)
            with _lost_is_told():
                ours.send((jobs, share.threads))
            give_next(ours)
        while busy:
            for ready in cast("list[Connection]", connection.wait(list(busy))):
                index, watcher = busy[ready]
                with _lost_is_told():
                    what, told = ready.recv()
                if what == "done":
                    give_next(ready)
                    yield index, told[0]
                elif what == "failed":
                    raise told[0]
                else:
                    getattr(watcher, what)(*told)
    finally:
        for process in crew:
            process.terminate()
            process.join()


def _begin() -> tuple[BaseProcess, Connection]:
    context = get_context("spawn")  # torch's threads do not outlive a fork
    ours, its = context.Pipe()
    process = context.Process(target=_work, args=(its,))
    process.start()
    its.close()  # so that its end ends what we read
    return process, ours


@contextmanager
def _lost_is_told() -> Iterator[None]:
    try:
        yield
    except LOST:
        raise ProcessLost(
            "a process that trained was ended, perhaps for want of memory; whole epochs are kept",
            hint="the same command goes on; with a smaller --at-once it takes less memory",
        ) from None


def _work(parent: Connection) -> None:
    """Trains what the parent names, until it names no more or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent's to handle
    with suppress(*LOST):
        jobs, threads = parent.recv()
        teller = _Teller(parent)
        while True:
            job = jobs[parent.recv()]
            try:
                parent.send(("done", (_train(job, threads, teller),)))
            except ReproError as error:
                parent.send(("failed", (error,)))


def _train(job: Job, threads: int | None, watcher: Watcher) -> Record | None:
    """The record; None where another process trains this."""
    from repro.evaluation.environment import set_numerics
    from repro.training.train import train

    training, folder = job
    set_numerics(training.device, None, threads)
    try:
        return train(training, folder, watcher)
    except Busy:
        return None


class _Teller:
    """Tells the parent's watcher all that happens; without a parent the training ends."""

    def __init__(self, parent: Connection) -> None:
        self._parent = parent

    def begin(self, *told: int) -> None:
        self._parent.send(("begin", told))

    def trained(self, *told: int) -> None:
        self._parent.send(("trained", told))

    def finished(self, *told: object) -> None:
        self._parent.send(("finished", told))

    def held(self) -> None:
        self._parent.send(("held", ()))
