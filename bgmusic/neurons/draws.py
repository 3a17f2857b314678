"""Uniform numbers for stochastic decisions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from bgmusic.neurons import kernel


def uniform_draws(
    shape: Sequence[int], generator: torch.Generator | None = None, device: torch.device | str = "cpu"
) -> Tensor:
    """Float32 numbers from U[0, 1): the thresholds of a stochastic neuron.

    All multiples of ``2^-24`` below 1 are equally likely, as those of ``torch.rand`` are. On a CPU torch makes one
    number after another, and a neuron's time would be mostly that of its draws: there the compiled kernel draws, with
    32 generators side by side (xoshiro128++, seeded anew for each call by one 64-bit number of torch's generator).
    Elsewhere, and where the kernel was not built, the numbers are ``torch.rand``'s.

    Args:
        shape: of the result.
        generator: source of the numbers, on ``device``; torch's global one by default. It moves on.
        device: of the result; the CPU by default.

    """
    device = torch.device(device)
    if kernel.draws(device):
        return kernel.uniform(shape, generator)
    if torch.compiler.is_compiling() and generator is None:
        # Torch's tracer takes no generator, not even None, for shapes that vary.
        return torch.rand(shape, dtype=torch.float32, device=device)
    return torch.rand(shape, dtype=torch.float32, device=device, generator=generator)
