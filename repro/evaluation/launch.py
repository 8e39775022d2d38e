"""Which launch this process is one of: torchrun -m repro eval …, or repro eval --join NAME …

Nothing is sent between its processes; all they share is the folder of the runs.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

RANKS = ("RANK", "SLURM_PROCID", "JOB_COMPLETION_INDEX")
"""Where torchrun, Slurm and a Kubernetes Job say which of the processes this one is."""

SIZES = ("WORLD_SIZE", "SLURM_NTASKS")


@dataclass(frozen=True, slots=True)
class Launch:
    """Processes that work on the same runs; `name` is theirs alone, `rank` counts them from 0."""

    name: str
    rank: int = 0
    size: int = 1

    @property
    def speaks(self) -> bool:
        """Whether this process is the one that shows progress and results."""
        return self.rank == 0


def find_launch(join: str | None = None) -> Launch | None:
    """The launch named `join`, else that of torchrun, be it of one process; None without either."""
    rank, size = _told(RANKS, 0), max(_told(SIZES, 1), 1)
    if join:
        return Launch(f"launch {join}", rank, size)
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return None
    names = ("TORCHELASTIC_RUN_ID", "MASTER_ADDR", "MASTER_PORT")
    name, address, port = (os.environ.get(name, "") for name in names)
    # torchrun calls every launch without a rendezvous "none"; a named one may change its port when restarted.
    return Launch(f"launch {address}:{port}" if name == "none" else f"launch {name}", rank, size)


def _told(names: Sequence[str], default: int) -> int:
    """The first number that the environment has under one of `names`."""
    told = (os.environ.get(name, "") for name in names)
    return next((int(value) for value in told if value.isdigit()), default)
