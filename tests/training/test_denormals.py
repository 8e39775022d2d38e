"""A CPU's numbers below the normal range: zero while a network trains, and as they were after it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from repro.training.denormals import denormals_are_flushed, flushing_denormals
from repro.training.train import train
from tests.training.toys import Quiet, paint_classes, toy

pytestmark = pytest.mark.skipif(
    not torch.set_flush_denormal(False), reason="this kind of CPU cannot take them as zero"
)


class Seeing(Quiet):
    """Notes at each batch and each epoch's end whether they are flushed."""

    def __init__(self, most_updates: int | None = None) -> None:
        super().__init__(most_updates)
        self.seen: list[bool] = []

    def trained(self, n_images: int) -> None:
        self.seen.append(denormals_are_flushed())
        super().trained(n_images)

    def finished(self, row: object) -> None:
        self.seen.append(denormals_are_flushed())


def test_they_are_zero_inside_alone() -> None:
    assert torch.tensor(1e-20).square().item() > 0
    with flushing_denormals():
        assert torch.tensor(1e-20).square().item() == 0
        with flushing_denormals():
            pass
        assert denormals_are_flushed(), "the inner context put back what the outer one had set"
    assert torch.tensor(1e-20).square().item() > 0


@pytest.mark.parametrize("most_updates", [None, 2], ids=["finished", "stopped"])
def test_a_training_flushes_them_and_puts_the_switch_back(tmp_path: Path, most_updates: int | None) -> None:
    data = paint_classes(tmp_path / "colours")
    watcher = Seeing(most_updates)
    try:
        train(toy(data), tmp_path / "folder", watcher)
    except KeyboardInterrupt:
        assert most_updates
    assert watcher.seen
    assert all(watcher.seen)
    assert not denormals_are_flushed()
