"""Layers that digits and music share."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LeakyReLU(nn.Module):
    """Leaky ReLU, as a product with its own constant derivative: the same values and gradients as torch's.

    A gradient penalty differentiates twice, and the second derivative of a piecewise linear function is zero.
    torch's layer tells autograd so by propagating a tensor of zeros through the whole network, a third of a
    penalised update's work; here there is no such path.

    Args:
        slope: for negative inputs.

    """

    def __init__(self, slope: float = 0.2) -> None:
        super().__init__()
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        """``x`` where positive, else ``slope x``; any shape."""
        with torch.no_grad():
            # 1 or the slope, without a branch: ceil lifts what is above 0 to 1.
            derivative = x.clamp(0, 1).ceil_().mul_(1 - self.slope).add_(self.slope)
        return x * derivative

    def extra_repr(self) -> str:
        """What ``print(module)`` shows."""
        return f"slope={self.slope}"


class Scale(nn.Module):
    """A learned scale and offset per channel: batch norm that never normalises, as BinaryGAN's code runs.

    Takes and returns ``(batch, channels, ...)``.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Scale and shift each channel."""
        shape = (-1, *[1] * (x.dim() - 2))
        return x * self.weight.view(shape) + self.bias.view(shape)
