"""What a training tells stands in lines of its own, also above the bars that a terminal shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

TRAINING = """
from repro.commands.training_progress import TrainingProgress
with TrainingProgress() as progress:
    for about in ("[red]one: ", "other: "):
        watcher = progress.watch(about)
        watcher.begin(0, 1, 64)
        watcher.trained(32)
        progress._bars.refresh()  # which a thread does now and then
        watcher.finished(dict(epoch=1, loss=0.5, top1=None, n_held_out=None, images_per_second=3.0))
"""


@pytest.mark.parametrize("terminal", [True, False])
def test_a_line_for_each_epoch_of_each_training(terminal: bool) -> None:
    ours, its = os.openpty() if terminal else os.pipe()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen([sys.executable, "-c", TRAINING], stderr=its, env=environment):
        os.close(its)
        written = b""
        while part := _read(ours):
            written += part
    os.close(ours)
    uncoloured = re.sub(r"\x1b\[[0-9;]*m", "", written.decode())
    lines = re.split(r"\r|\n|\x1b\[[0-9;?]*[A-Za-z]", uncoloured)  # these move the cursor, or clear
    for about in ("[red]one: ", "other: "):
        assert f"{about}epoch 1 of 1: loss 0.5000, 3 images/s" in lines
    assert ("32/64" in uncoloured) == terminal


def _read(file: int) -> bytes:
    try:
        return os.read(file, 4096)
    except OSError:  # how Linux says that nobody has the other end of a terminal
        return b""
