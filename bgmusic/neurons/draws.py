"""Uniform numbers for stochastic decisions, drawn faster than ``torch.rand`` draws them on a CPU."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

FEW = 2**14  # so few numbers come no faster by words
APART = 1032  # of draws that share bits: whole words, and no multiple of the usual widths of layers


def uniform_draws(
    shape: Sequence[int], generator: torch.Generator | None = None, device: torch.device | None = None
) -> Tensor:
    """Float32 numbers from U[0, 1): the thresholds of a stochastic neuron.

    All multiples of ``2^-24`` below 1 are equally likely, as those of ``torch.rand`` are; and ``torch.rand`` it is on
    other devices than the CPU, for less than 16384 numbers, and in a compiled graph. But a neuron's time on a CPU is
    mostly that of its draws, since torch's generator makes one 32-bit number after another. So there a 64-bit number
    serves four draws, 16 bits each; their lowest 8 bits a draw shares with those that stand a multiple of 1032 places
    from it in the same call.

    Each number alone is then uniform as ever, and so are pairs, but for these: what they share shows in decisions of a
    probability about ``2^-16`` or less, which fall together more often than chance has it. For 2^20 neurons of the
    probability ``10^-4``, the variance of the number of ones is up to 0.1% larger than the binomial.

    Args:
        shape: of the result.
        generator: source of the numbers, on ``device``; torch's global one by default. It moves on.
        device: of the result; the CPU by default.

    """
    count = 1
    for size in shape:
        count *= size
    if torch.compiler.is_compiling() and generator is None:
        # Torch's tracer takes no generator, not even None, for shapes that vary.
        return torch.rand(shape, dtype=torch.float32, device=device)
    if (device is not None and device.type != "cpu") or torch.compiler.is_compiling() or count < FEW:
        return torch.rand(shape, dtype=torch.float32, device=device, generator=generator)
    rows = -(-count // APART)
    size = rows * APART // 4
    words = torch.empty(size + APART // 8, dtype=torch.int64).random_(-(2**63), None, generator=generator)
    low = words[size:].view(torch.uint8).float().mul_(2.0**-24).add_(0.5)
    draws = words[:size].view(torch.int16).view(rows, APART).float()  # -2^15 to 2^15 - 1
    torch.add(low, draws, alpha=2.0**-16, out=draws)
    return draws.view(-1)[:count].view(tuple(shape))
