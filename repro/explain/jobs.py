"""Jobs done in the background by one thread, the only one that has networks. No torch before the first.

    worker = Worker()
    job = worker.submit(HeatMapsWanted(folder, ("ILSVRC2012_val_00000293",)))
    job.progress()  # Progress(state=State.WAITING, done=0, total=1, …)

A job advances a few images at a time. Before each step the thread looks what else there is, so that a
single picture wanted at once comes between two steps of a long job, and a job that nobody asks after
any more ends there; what it computed is kept.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from repro.exceptions import ReproError
from repro.explain.wanted import Wanted

PATIENCE_S = 20.0
"""A job whose progress nobody has asked for so long is dropped."""

REMEMBERED = 64
"""Jobs that have ended, and whose results can still be had."""

Steps = Generator[int, None, Any]
"""Gives after each step how many images that were; returns the result."""

Perform = Callable[[Wanted], Steps]


class State(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    DROPPED = "dropped"


_UNDER_WAY = (State.WAITING, State.RUNNING)


@dataclass(frozen=True, slots=True)
class Progress:
    """How a job goes, in images; a failed one says why in `message`, and what to do in `hint`."""

    state: State
    done: int
    total: int
    message: str = ""
    hint: str = ""

    @property
    def under_way(self) -> bool:
        return self.state in _UNDER_WAY


class Job:
    """One thing wanted, by however many; only its worker makes it advance."""

    def __init__(self, wanted: Wanted, clock: Callable[[], float]) -> None:
        self.wanted = wanted
        self._clock = clock
        self._asked_at = clock()
        self._n_waiting = 0
        self._counting = threading.Lock()
        self._progress = Progress(State.WAITING, 0, wanted.n_images)
        self._unwanted = False
        self._steps: Steps | None = None
        self._result: Any = None
        self._ended = threading.Event()

    def progress(self) -> Progress:
        """How it goes; asking keeps it alive."""
        self._asked_at = self._clock()
        return self._progress

    def wait(self, seconds: float | None = None) -> Progress:
        """The same once it has ended, or after so many seconds: a quick answer needs no second question.

        Waiting keeps it alive.
        """
        self._count_waiting(1)
        try:
            self._ended.wait(seconds)
            return self.progress()
        finally:
            self._count_waiting(-1)

    def _count_waiting(self, more: int) -> None:
        with self._counting:
            self._n_waiting += more

    @property
    def result(self) -> Any:
        """What was wanted, once it is done; None before, and of one that failed or was dropped."""
        return self._result

    def drop(self) -> None:
        """Ends it before its next step, whoever else waits for it."""
        self._unwanted = True

    def is_forgotten(self, patience_s: float) -> bool:
        silent = not self._n_waiting and self._clock() - self._asked_at > patience_s
        return self._unwanted or silent

    def advance(self, perform: Callable[[], Perform]) -> None:
        """Does one step. Whatever goes wrong is the job's own: nothing is raised."""
        try:
            if self._steps is None:
                self._become(State.RUNNING)
                self._steps = perform()(self.wanted)
            n = next(self._steps)
            self._become(State.RUNNING, done=self._progress.done + n)
        except StopIteration as end:
            self._result = end.value
            self._become(State.DONE, done=self._progress.total)
        except ReproError as error:
            self._become(State.FAILED, message=str(error), hint=error.hint)
        except Exception as error:  # only its text is kept: its traceback would hold a network
            logging.getLogger(__name__).exception("a job failed: %r", self.wanted)
            self._become(State.FAILED, message=f"{type(error).__name__}: {error}")
        if not self._progress.under_way:
            self._steps = None

    def leave(self) -> None:
        """Ends it where it is."""
        if self._steps is not None:
            self._steps.close()
            self._steps = None
        self._become(State.DROPPED)

    def _become(self, state: State, done: int | None = None, message: str = "", hint: str = "") -> None:
        done = self._progress.done if done is None else done
        self._progress = Progress(state, done, self._progress.total, message, hint)  # whole, for any reader
        if not self._progress.under_way:
            self._ended.set()


class Worker:
    """A queue, and the thread that empties it, which begins with the first job.

    Args:
        perform: How a thing wanted is done; None: by `performing.Performer`, which needs torch.
        patience_s: After how many seconds without a question a job is dropped.
        clock: Seconds, never backwards.
    """

    def __init__(
        self,
        perform: Perform | None = None,
        *,
        patience_s: float = PATIENCE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._perform = perform
        self._patience_s = patience_s
        self._clock = clock
        self._jobs: dict[Wanted, Job] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None

    def submit(self, wanted: Wanted, *, again: bool = False) -> Job:
        """The job for what is wanted: the same for all who want the same, also once it has ended.

        A dropped job begins anew; one that is done or failed only if it is wanted `again`.
        """
        with self._changed:
            if self._closed:
                raise RuntimeError("this worker is closed")
            job = self._jobs.get(wanted)
            if job is not None:
                progress = job.progress()
                ended_well = progress.state in (State.DONE, State.FAILED) and not again
                if progress.under_way or ended_well:
                    return job
                del self._jobs[wanted]  # the new one queues behind the others
            job = self._jobs[wanted] = Job(wanted, self._clock)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="repro jobs", daemon=True)
                self._thread.start()
            self._changed.notify()
            return job

    def close(self, *, wait: bool = True) -> None:
        """Ends the thread after its current step; what is not done by then is dropped."""
        with self._changed:
            self._closed = True
            self._changed.notify()
            thread = self._thread
        if thread is not None and wait:
            thread.join()

    def _work(self) -> None:
        while (job := self._next()) is not None:
            job.advance(self._performer)
            del job  # its result is not held while nothing happens

    def _next(self) -> Job | None:
        """The job whose turn it is, once there is one; None at the end."""
        with self._changed:
            while True:
                self._tidy()
                waiting = [job for job in self._jobs.values() if _is_under_way(job)]
                if waiting:
                    return min(waiting, key=lambda job: not job.wanted.at_once)  # the first of these
                if self._closed:
                    return None
                self._changed.wait()

    def _tidy(self) -> None:
        """Drops what nobody wants any more, and forgets the oldest of what has ended."""
        for job in self._jobs.values():
            if _is_under_way(job) and (self._closed or job.is_forgotten(self._patience_s)):
                job.leave()
        ended = [wanted for wanted, job in self._jobs.items() if not _is_under_way(job)]
        for wanted in ended[: max(len(ended) - REMEMBERED, 0)]:
            del self._jobs[wanted]

    def _performer(self) -> Perform:
        if self._perform is None:
            from repro.explain.performing import Performer

            self._perform = Performer()
        return self._perform


def _is_under_way(job: Job) -> bool:
    return job._progress.under_way
