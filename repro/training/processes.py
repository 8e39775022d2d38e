"""The processes that train together, as torchrun starts them; one alone where it did not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from repro.exceptions import UsageError


@dataclass(frozen=True, slots=True)
class Processes:
    """The `rank` of this process among `count`, and that on its machine; rank 0 alone writes files."""

    rank: int = 0
    count: int = 1
    local_rank: int = 0

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def wrap(self, network: nn.Module) -> nn.Module:
        """The network, its gradients averaged over all processes."""
        return DistributedDataParallel(network) if self.count > 1 else network

    def total(self, values: torch.Tensor) -> torch.Tensor:
        """The sum over all processes, in each of them."""
        if self.count > 1:
            distributed.all_reduce(values)
        return values

    def share_buffers(self, network: nn.Module) -> None:
        """Gives all processes those of the first, which are kept: batch norm's means and variances."""
        if self.count > 1:
            for buffer in network.buffers():
                distributed.broadcast(buffer, 0)

    def wait(self) -> None:
        """Until all have come here."""
        if self.count > 1:
            distributed.barrier()


@contextmanager
def joined(device: str) -> Iterator[Processes]:
    """Joins the others that torchrun started, by NCCL between GPUs, by gloo else.

    Raises:
        UsageError: there is no GPU for this process alone.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Processes()
        return
    processes = Processes(int(os.environ["RANK"]), count, int(os.environ.get("LOCAL_RANK", "0")))
    if device == "cuda":
        _take_gpu(processes.local_rank, torch.cuda.device_count())
        distributed.init_process_group("nccl", device_id=torch.device("cuda", processes.local_rank))
    else:
        distributed.init_process_group("gloo")
    try:
        yield processes
    finally:
        distributed.destroy_process_group()


def _take_gpu(local_rank: int, there: int) -> None:
    """NCCL refuses two processes on one GPU, and says so in a page of its own words."""
    if local_rank >= there:
        raise UsageError(
            f"torchrun began more processes than this machine has GPUs ({there})",
            hint=f"torchrun --nproc-per-node {there}, or --device cpu",
        )
    torch.cuda.set_device(local_rank)
