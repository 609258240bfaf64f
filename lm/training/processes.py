"""One process or many: what ``torchrun`` starts, what they share, and how a model is wrapped."""

from __future__ import annotations

import contextlib
import inspect
import os
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.nn.parallel import DistributedDataParallel

from ...memory import State, map_state
from ...memory.devices import find_device
from ..models.transformer import Block


class Processes(NamedTuple):
    """The processes of a job, and which of them this is.

    Attributes:
        rank: Number of this one.
        world_size: How many there are.
        device: Where this one computes.
    """

    rank: int
    world_size: int
    device: torch.device

    @property
    def main(self) -> bool:
        """Whether this is the one that writes and speaks."""
        return self.rank == 0

    def sum(self, tensor: Tensor) -> Tensor:
        """Sum of a tensor over all processes, in place."""
        if self.world_size > 1:
            dist.all_reduce(tensor)
        return tensor

    def wait(self) -> None:
        """Wait for all others to come here."""
        if self.world_size > 1:
            dist.barrier()

    def all_rows(self, state: State) -> State:
        """The rows of a state of all processes, in the order of their ranks."""
        if self.world_size == 1 or state is None:
            return state

        def gather(part: Tensor) -> Tensor:
            parts = [torch.empty_like(part) for _ in range(self.world_size)]
            dist.all_gather(parts, part.contiguous())
            return torch.cat(parts)

        return map_state(gather, state)


@contextlib.contextmanager
def join_processes(device: str) -> Iterator[Processes]:
    """Join the processes that ``torchrun`` has started, or be the only one.

    A process group that is there already is used, and left as it is.

    Args:
        device: As for :func:`find_device`; of several GPUs, each process takes its own.

    Raises:
        ValueError: torch does not find the device.
    """
    found, joined = find_device(device), dist.is_initialized()
    world_size = dist.get_world_size() if joined else int(os.environ.get("WORLD_SIZE", "1"))
    if world_size == 1:
        yield Processes(0, 1, found)
        return
    if found.type == "cuda":
        found = find_device(f"cuda:{os.environ['LOCAL_RANK']}")
        torch.cuda.set_device(found)
    if not joined:
        dist.init_process_group("nccl" if found.type == "cuda" else "gloo")
    try:
        yield Processes(dist.get_rank(), world_size, found)
    finally:
        if not joined:
            dist.destroy_process_group()


def shard(objective: nn.Module, processes: Processes) -> None:
    """Share the parameters out over the processes (FSDP2), Transformer blocks one by one."""
    # Outputs may be views, which nobody here writes to.
    warnings.filterwarnings("ignore", "FSDP2-wrapped module .* returned a view", UserWarning)
    mesh = init_device_mesh(processes.device.type, (processes.world_size,))
    for part in [*objective.modules()]:
        if isinstance(part, Block):
            fully_shard(part, mesh=mesh)
    # Whole only while it is needed: what is whole between two steps would miss a change of weights.
    fully_shard(objective, mesh=mesh, reshard_after_forward=True)


def replicate(objective: nn.Module, processes: Processes) -> DistributedDataParallel:
    """A copy of the model in every process, whose gradients are averaged (DDP)."""
    devices = [processes.device] if processes.device.type == "cuda" else None
    # Buffers are the same everywhere without being sent; torch has renamed the option.
    known = inspect.signature(DistributedDataParallel.__init__).parameters
    option = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
    options: dict[str, Any] = {option: False}
    return DistributedDataParallel(objective, devices, gradient_as_bucket_view=True, **options)


@contextlib.contextmanager
def gradients_stay_here(wrapped: nn.Module) -> Iterator[None]:
    """Backward passes inside add up gradients without exchanging them."""
    if isinstance(wrapped, DistributedDataParallel):
        with wrapped.no_sync():
            yield
    elif isinstance(wrapped, FSDPModule):
        wrapped.set_requires_gradient_sync(False)
        yield
        wrapped.set_requires_gradient_sync(True)
    else:
        yield


def local(tensor: Tensor) -> Tensor:
    """The part of a tensor that is in this process, which shares its memory."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def whole(tree: Any) -> Any:
    """A tree of state dicts in which every shared out tensor is whole, in every process."""
    if isinstance(tree, dict):
        return {key: whole(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [whole(value) for value in tree]
    return tree.full_tensor() if isinstance(tree, DTensor) else tree


def shared_out(tensor: Tensor, like: Tensor) -> Tensor:
    """This process's part of a whole tensor, as that of ``like``."""
    if not isinstance(like, DTensor):
        return tensor
    return distribute_tensor(tensor.to(like.device), like.device_mesh, like.placements)
