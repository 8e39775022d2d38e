"""A loader process that dies or hangs ends the evaluation with one line, not a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from repro.evaluation import loading
from repro.evaluation.loading import load_in_order
from repro.exceptions import ProcessLost


class Reader:
    """Ten numbers for batches; the fifth meets with `accident`."""

    forks = True

    def __init__(self, accident: str) -> None:
        self.accident = accident

    def orders(self) -> Iterator[int]:
        return iter(range(10))

    def __getitem__(self, index: int) -> int:
        if index == 5 and self.accident == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if index == 5 and self.accident == "hangs":
            time.sleep(60)
        if index == 5 and self.accident == "bug":
            raise RuntimeError("a fault of the code")
        return index


@pytest.mark.parametrize(("accident", "words"), [("killed", ""), ("hangs", "timed out")])
def test_a_lost_process_is_told(accident: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "SILENCE_SECONDS", 2)
    with pytest.raises(ProcessLost, match=f"a loader process is lost .*{words}") as caught:
        list(load_in_order(Reader(accident), 1))
    assert caught.value.exit_code == 70


@pytest.mark.parametrize("workers", [0, 1])
def test_a_fault_of_the_code_keeps_its_traceback(workers: int) -> None:
    with pytest.raises(RuntimeError, match="a fault of the code"):
        list(load_in_order(Reader("bug"), workers))


HANGS_UP = """
import time
from multiprocessing import process, resource_sharer
from multiprocessing.connection import Client
from repro.evaluation.loading import begin_loader

begin_loader(0)
address, _ = resource_sharer.DupFd(1)._id  # what a batch in shared memory is handed over by
Client(address, authkey=process.current_process().authkey).close()
time.sleep(0.5)
"""


def test_a_parent_that_hangs_up_is_no_traceback() -> None:
    """As one does that Ctrl-C meets while it takes a batch."""
    ended = subprocess.run([sys.executable, "-c", HANGS_UP], capture_output=True, text=True, check=True)
    assert ended.stderr == ""
