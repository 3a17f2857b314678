"""Uniform random numbers for stochastic decisions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def uniform_draws(
    shape: Sequence[int], generator: torch.Generator | None = None, device: torch.device | str = "cpu"
) -> Tensor:
    """Draw float32 numbers from U[0, 1) with ``torch.rand``: the thresholds of a stochastic neuron.

    The same seed gives the same numbers on every CPU. All multiples of ``2^-24`` below 1 are equally likely.

    Args:
        shape: shape of the result.
        generator: source of the numbers, on ``device``; torch's global one by default. Its state advances.
        device: device of the result; the CPU by default.

    """
    if generator is None:  # torch's compiler accepts no generator for variable shapes, not even None
        return torch.rand(shape, dtype=torch.float32, device=device)
    return torch.rand(shape, dtype=torch.float32, device=device, generator=generator)
