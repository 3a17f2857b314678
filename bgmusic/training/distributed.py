"""Train one network in several processes that ``torchrun`` started.

Every process holds the same weights and works on its own micro-batches of each update (``training.accumulate``). Sums
over the processes then give every process the same gradients, metrics and statistics. Process 0 leads: it alone writes.
Without torchrun there is one process, and nothing here costs anything.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch import distributed as torch_distributed

from bgmusic.errors import UserError
from bgmusic.training.loop_config import LoopConfig

AnyLoop = TypeVar("AnyLoop", bound=LoopConfig)

# A process that ends closes its connections, which ends the others at once. Scoring on process 0 may take long.
_PATIENCE = timedelta(hours=12)


class Lost(UserError):
    """Another process of this training ended."""


@contextmanager
def joined(device: str) -> Iterator[None]:
    """Join the processes of this training if torchrun started this one; leave them at the end.

    Args:
        device: ``auto``, ``cpu`` or ``cuda``; each process of a machine gets its own GPU.

    Raises:
        UserError: there are fewer GPUs than processes.

    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    on_cuda = device == "cuda" or (device == "auto" and torch.cuda.is_available())
    if on_cuda:
        place = int(os.environ.get("LOCAL_RANK", "0"))
        if place >= torch.cuda.device_count():
            raise UserError(f"{torch.cuda.device_count()} GPUs for {place + 1} processes: lower --nproc-per-node")
        torch.cuda.set_device(place)
    torch_distributed.init_process_group("cpu:gloo,cuda:nccl" if on_cuda else "gloo", timeout=_PATIENCE)
    try:
        yield
    finally:
        torch_distributed.destroy_process_group()


def rank() -> int:
    """Return the number of this process, from 0."""
    return torch_distributed.get_rank() if _joined() else 0


def size() -> int:
    """Return the number of processes."""
    return torch_distributed.get_world_size() if _joined() else 1


def _joined() -> bool:
    return torch_distributed.is_available() and torch_distributed.is_initialized()


def leads() -> bool:
    """Return whether this process writes."""
    return rank() == 0


@contextmanager
def leader_first() -> Iterator[None]:
    """Let process 0 pass the block before the others enter it."""
    if not leads():
        add_up(torch.zeros(1))
    yield
    if leads():
        add_up(torch.zeros(1))


def add_up(values: Tensor) -> None:
    """Replace values by their sums over the processes, in place.

    Raises:
        Lost: another process ended.

    """
    _reduce(values, torch_distributed.ReduceOp.SUM)


def largest(values: Tensor) -> None:
    """Replace values by their maxima over the processes, in place; raises as :func:`add_up` does."""
    _reduce(values, torch_distributed.ReduceOp.MAX)


def add_up_all(tensors: Sequence[Tensor]) -> None:
    """Replace the values of float tensors by their sums over the processes, by one message in float32.

    Raises:
        Lost: another process ended.

    """
    if size() == 1:
        return
    flat = torch.cat([tensor.detach().flatten().float() for tensor in tensors])
    add_up(flat)
    for tensor, part in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
        tensor.copy_(part.view_as(tensor))


def statistics(*networks: nn.Module) -> list[tuple[Tensor, bool]]:
    """Return the buffers of networks, and whether a process needs the largest value of all (``MAXIMA``)."""
    return [
        (values, name.split(".")[-1] in getattr(network, "MAXIMA", ()))
        for network in networks
        for name, values in network.state_dict(keep_vars=True).items()
        if not isinstance(values, nn.Parameter)
    ]


@contextmanager
def shared_statistics(buffers: Sequence[tuple[Tensor, bool]]) -> Iterator[None]:
    """Share what the processes add to buffers in the block.

    Averages of floating point (of batch norm) become the mean over the processes. Increments of integers are added up;
    of those that hold a maximum, the largest counts.
    """
    if size() == 1:
        yield
        return
    before = [buffer.double() if not buffer.is_floating_point() else torch.zeros_like(buffer) for buffer, _ in buffers]
    yield
    changes = [buffer.double() - old for (buffer, _), old in zip(buffers, before, strict=True)]
    for (buffer, maximum), change in zip(buffers, changes, strict=True):
        if maximum:
            largest(change)
        elif buffer.is_floating_point():
            change.div_(size())
    sums = [change for (_, maximum), change in zip(buffers, changes, strict=True) if not maximum]
    add_up_all(sums)
    for (buffer, _), old, change in zip(buffers, before, changes, strict=True):
        buffer.copy_(old + change)


def require_equal(steps: int, weights: Iterable[Tensor]) -> None:
    """Check that all processes begin with the same number of updates and the same weights.

    Raises:
        UserError: they do not.

    """
    if size() == 1:
        return
    values = torch.tensor([steps, *(float(weight.detach().double().sum()) for weight in weights)], dtype=torch.float64)
    both = torch.cat([values, -values])
    largest(both)
    if not torch.equal(both[: len(values)], -both[len(values) :]):
        raise UserError("the processes begin with different weights: all need the same run folder and software")


def any_of(flag: bool) -> bool:
    """Return whether the flag is true in one process or more; raises as :func:`add_up` does."""
    if size() == 1:
        return flag
    flags = torch.tensor([float(flag)])
    largest(flags)
    return bool(flags)


def clocks(wall: float, cpu: float) -> tuple[float, float]:
    """Return the wall time of process 0 and the CPU time of all; raises as :func:`add_up` does."""
    if size() == 1:
        return wall, cpu
    values = torch.tensor([wall if leads() else 0.0, cpu], dtype=torch.float64)
    add_up(values)
    return float(values[0]), float(values[1])


def divided(config: AnyLoop) -> AnyLoop:
    """Return the config with micro-batches (``accumulate``) that the processes can share evenly.

    Raises:
        UserError: the batch can't be divided so, or a process would get a single sample at a time.

    """
    if config.accumulate % size() == 0:
        return config
    parts = math.lcm(config.accumulate, size())
    if config.batch % parts or config.batch < 2 * parts:
        raise UserError(
            f"a batch of {config.batch} can't be divided among {size()} processes: "
            f"set training.batch to a multiple of {parts}, at least {2 * parts}"
        )
    return config.model_copy(update={"accumulate": parts})


def _reduce(values: Tensor, operation: torch_distributed.ReduceOp.RedOpType) -> None:
    if size() == 1:
        return
    try:
        torch_distributed.all_reduce(values, operation)
    except RuntimeError as error:
        raise Lost("another process of this training ended; resume it with --resume") from error
