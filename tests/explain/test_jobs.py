"""Jobs are done one after the other, each once, and what goes wrong in one is nobody else's."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from repro.exceptions import DataRefused
from repro.explain.jobs import REMEMBERED, Progress, State, Steps, Worker
from repro.explain.wanted import HeatMapsWanted, ProbeWanted, SizeWanted, Wanted

SOON = 20.0
"""Seconds that no test needs, but that end one that hangs."""

RUN = Path("run")
MAPS = HeatMapsWanted(RUN, ("a", "b", "c"))


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class ByHand:
    """Does each step of a job when it is told to, in the worker's thread, and writes down what it did.

    The result of a job is its number of steps; one for an image `bad` or `bug` fails after them.
    """

    def __init__(self) -> None:
        self.steps: list[Wanted] = []
        self.left: list[Wanted] = []
        self.threads: set[int] = set()
        self._may_go = threading.Semaphore(0)
        self._arrived = threading.Semaphore(0)

    def __call__(self, wanted: Wanted) -> Steps:
        self.threads.add(threading.get_ident())
        try:
            for _ in range(wanted.n_images):
                self._arrived.release()
                assert self._may_go.acquire(timeout=SOON)
                self.steps.append(wanted)
                yield 1
        except GeneratorExit:
            self.left.append(wanted)
            raise
        if isinstance(wanted, HeatMapsWanted) and "bad" in wanted.image_ids:
            raise DataRefused("image bad cannot be read", hint="look at it")
        if isinstance(wanted, HeatMapsWanted) and "bug" in wanted.image_ids:
            raise ZeroDivisionError("by nothing")
        return wanted.n_images

    def go(self, n: int = 1) -> None:
        """Lets n steps be done."""
        for _ in range(n):
            self._may_go.release()

    def arrive(self, n: int = 1) -> None:
        """Returns once n more steps are about to be done."""
        for _ in range(n):
            assert self._arrived.acquire(timeout=SOON)


@pytest.fixture
def hand() -> ByHand:
    return ByHand()


@pytest.fixture
def start(hand: ByHand) -> Iterator[Callable[..., Worker]]:
    """Workers that are closed at the end."""
    workers: list[Worker] = []

    def started(clock: Clock | None = None, patience_s: float = 10.0) -> Worker:
        workers.append(Worker(hand, clock=clock or Clock(), patience_s=patience_s))
        return workers[-1]

    yield started
    hand.go(100)
    for worker in workers:
        worker.close()


def test_a_job_goes_from_waiting_to_done_and_has_its_result(
    hand: ByHand, start: Callable[..., Worker]
) -> None:
    worker = start()
    job = worker.submit(MAPS)
    hand.arrive()
    assert job.progress() == Progress(State.RUNNING, 0, 3)
    assert job.result is None
    hand.go()
    hand.arrive()
    assert job.progress() == Progress(State.RUNNING, 1, 3)
    last = worker.submit(HeatMapsWanted(RUN, ("z",)))
    assert last.progress() == Progress(State.WAITING, 0, 1)
    hand.go(2)
    hand.arrive(2)  # of the same job, then of the next
    assert (job.wait(), job.result) == (Progress(State.DONE, 3, 3), 3)
    assert last.wait(0) == Progress(State.RUNNING, 0, 1)
    assert len(hand.threads - {threading.get_ident()}) == len(hand.threads) == 1


def test_the_same_is_done_once_for_all_who_want_it(hand: ByHand, start: Callable[..., Worker]) -> None:
    worker = start()
    jobs = [worker.submit(HeatMapsWanted(RUN, ("a", "b", "c"))) for _ in range(3)]
    other = worker.submit(HeatMapsWanted(RUN, ("a", "b", "c"), data=Path("elsewhere")))
    assert jobs[0] is jobs[1] is jobs[2] is not other
    hand.go(4)
    hand.arrive(4)
    assert worker.submit(MAPS) is jobs[0]
    assert jobs[0].progress().state == State.DONE
    again = worker.submit(MAPS, again=True)
    assert again is not jobs[0]
    hand.arrive()
    assert worker.submit(MAPS, again=True) is again  # it is under way
    assert hand.steps.count(MAPS) == 3


def test_of_a_run_that_was_written_anew_everything_is_wanted_anew(
    hand: ByHand, start: Callable[..., Worker]
) -> None:
    worker = start()
    hand.go(2)
    before, after = (worker.submit(HeatMapsWanted(RUN, ("a",), written_ns=at)) for at in (1, 2))
    assert before.wait().state is after.wait().state is State.DONE
    assert len(hand.steps) == 2


def test_a_single_picture_comes_between_the_steps_of_a_long_job(
    hand: ByHand, start: Callable[..., Worker]
) -> None:
    worker = start()
    long = worker.submit(MAPS)
    later = worker.submit(ProbeWanted(RUN, ("a",), "size"))
    hand.arrive()
    size = worker.submit(SizeWanted(RUN, "a", 0.5))
    hand.go(2)
    hand.arrive(2)
    assert hand.steps == [MAPS, size.wanted]
    hand.go(2)
    hand.arrive(2)
    assert long.progress().state == State.DONE
    assert size.progress().state == State.DONE
    assert later.progress().state == State.RUNNING


def test_what_goes_wrong_is_said_and_the_next_job_is_done(
    hand: ByHand, start: Callable[..., Worker], caplog: pytest.LogCaptureFixture
) -> None:
    worker = start()
    jobs = [worker.submit(HeatMapsWanted(RUN, (image_id,))) for image_id in ("bad", "bug", "good", "end")]
    hand.go(3)
    hand.arrive(4)
    bad, bug, good, _ = (job.progress() for job in jobs)
    assert bad == Progress(State.FAILED, 1, 1, "image bad cannot be read", "look at it")
    assert bug == Progress(State.FAILED, 1, 1, "ZeroDivisionError: by nothing")
    assert good.state == State.DONE
    assert "Traceback" in caplog.text and "bad" not in caplog.text  # a bug of ours has one, a refusal none
    assert worker.submit(jobs[0].wanted) is jobs[0]  # a page that is drawn again does not try again
    assert worker.submit(jobs[0].wanted, again=True) is not jobs[0]


def test_what_nobody_asks_after_is_dropped_between_two_steps(
    hand: ByHand, start: Callable[..., Worker]
) -> None:
    clock = Clock()
    worker = start(clock, patience_s=10)
    left, waiting, watched = (worker.submit(HeatMapsWanted(RUN, (x, x, x))) for x in "abc")
    hand.arrive()
    clock.now = 9
    watched.progress()
    clock.now = 11
    hand.go()
    hand.arrive()  # of the one that somebody asked after
    assert hand.steps == hand.left == [left.wanted]
    assert left.progress() == Progress(State.DROPPED, 1, 3)
    assert waiting.progress() == Progress(State.DROPPED, 0, 3)
    assert watched.progress().state == State.RUNNING
    anew = worker.submit(left.wanted)
    assert anew is not left and anew.progress().state == State.WAITING


def test_who_waits_for_a_job_keeps_it(hand: ByHand, start: Callable[..., Worker]) -> None:
    clock = Clock()
    job = start(clock, patience_s=10).submit(MAPS)
    with ThreadPoolExecutor(1) as pool:
        waited = pool.submit(job.wait, SOON)
        while not job._n_waiting:
            time.sleep(0.001)
        hand.arrive()
        clock.now = 11
        hand.go(3)
        assert waited.result() == Progress(State.DONE, 3, 3)


def test_a_job_can_be_dropped_by_hand(hand: ByHand, start: Callable[..., Worker]) -> None:
    worker = start()
    job, following = worker.submit(MAPS), worker.submit(HeatMapsWanted(RUN, ("z",)))
    hand.arrive()
    job.drop()
    hand.go()
    hand.arrive()
    assert job.progress() == Progress(State.DROPPED, 1, 3)
    assert following.progress().state == State.RUNNING


def test_closing_ends_the_step_and_drops_the_rest(hand: ByHand, start: Callable[..., Worker]) -> None:
    worker = start()
    running, waiting = worker.submit(MAPS), worker.submit(HeatMapsWanted(RUN, ("z",)))
    hand.arrive()
    worker.close(wait=False)
    hand.go()
    worker.close()
    assert running.progress() == Progress(State.DROPPED, 1, 3)
    assert waiting.progress() == Progress(State.DROPPED, 0, 1)


def test_only_the_last_results_are_remembered(hand: ByHand, start: Callable[..., Worker]) -> None:
    worker = start()
    hand.go(REMEMBERED + 10)
    jobs = [worker.submit(SizeWanted(RUN, "a", 1 + i / 1000)) for i in range(REMEMBERED + 9)]
    last = worker.submit(SizeWanted(RUN, "a", 4))
    hand.arrive(REMEMBERED + 10)
    final = worker.submit(SizeWanted(RUN, "b", 4))
    hand.arrive()
    assert last.progress().state == State.DONE
    assert final.result is None
    assert worker.submit(jobs[-1].wanted) is jobs[-1]
    assert worker.submit(jobs[0].wanted) is not jobs[0]


def test_a_closed_worker_takes_no_more() -> None:
    worker = Worker()
    worker.close()
    with pytest.raises(RuntimeError, match="closed"):
        worker.submit(MAPS)


def test_torch_is_not_imported_before_the_first_job(tmp_path: Path) -> None:
    """A page may make requests and ask how they go for nothing; the thread pays, once."""
    child = f"""
import sys
from pathlib import Path
from repro.explain.jobs import State, Worker
from repro.explain.wanted import HeatMapsWanted
heavy = {{"torch", "torchvision", "timm", "pytorch_grad_cam", "pandas", "scipy", "pyarrow", "PIL", "numpy"}}
worker = Worker()
wanted = HeatMapsWanted(Path({str(tmp_path)!r}), ("a",))
assert not heavy & set(sys.modules), sorted(heavy & set(sys.modules))
job = worker.submit(wanted)
progress = job.wait()
assert "torch" in sys.modules
assert progress.state == State.FAILED and "run.json" in progress.message, progress
worker.close()
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", child], check=True)
