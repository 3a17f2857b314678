"""Layers shared by the networks of digits and music."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

_SMALL = 2**20  # elements

_derivative = torch.ops.aten.leaky_relu_backward


class _Leak(torch.autograd.Function):
    """Multiply by 1 or the slope, by the sign of ``output``; the factor is treated as constant."""

    @staticmethod
    def forward(gradient: Tensor, output: Tensor, slope: float) -> Tensor:
        return _derivative(gradient, output, slope, True)  # type: ignore[no-any-return]

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, float], result: Tensor) -> None:
        _, output, ctx.slope = inputs
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (output,) = ctx.saved_tensors
        return _Leak.apply(gradients[0], output, ctx.slope), None, None


class _LeakyReLU(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor, slope: float) -> Tensor:
        return leaky_relu(x, slope)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, float], output: Tensor) -> None:
        ctx.slope = inputs[1]
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (output,) = ctx.saved_tensors
        # Detached: the derivative does not depend on the input.
        return _Leak.apply(gradients[0], output.detach(), ctx.slope), None


class LeakyReLU(nn.Module):
    """Leaky ReLU whose second derivative costs nothing: the same values and gradients as torch's layer.

    A gradient penalty differentiates twice. torch's layer then propagates a tensor of zeros through the whole network,
    a third of a penalised update's work; here the graph has no such path. (In bfloat16 the slope is rounded for small
    inputs.)

    Args:
        slope: for negative inputs, above 0.

    """

    def __init__(self, slope: float = 0.2) -> None:
        super().__init__()
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        """``x`` where positive, else ``slope x``; any shape."""
        if x.numel() <= _SMALL:
            # A product with the constant derivative avoids Python in the backward pass, which is a tenth of an update
            # of the digits' networks. It keeps one more tensor, too much for large piano-rolls.
            one = torch.ones((), dtype=x.dtype, device=x.device)
            leak: Tensor = _derivative(one.expand_as(x), x.detach(), self.slope, False)
            return x * leak
        output: Tensor = _LeakyReLU.apply(x, self.slope)
        return output

    def extra_repr(self) -> str:
        """Return the text that ``print(module)`` shows."""
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


class Dropout(nn.Dropout):
    """Dropout whose mask is drawn as bytes, on a CPU ten times as fast as torch's; the share is a multiple of 1 / 256.

    On other devices, and of shares below a hundredth, it is torch's. Draws come from torch's generator of the device.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Drop elements of ``x``, of any shape."""
        if not self.training or x.device.type != "cpu" or not 0.01 <= self.p < 1:
            return super().forward(x)
        kept = round(256 * (1 - self.p))
        draws = torch.empty(-(-x.numel() // 8), dtype=torch.int64).random_(-(2**63), None)
        mask = (draws.view(torch.uint8)[: x.numel()] < kept).view(x.shape)
        return x * mask.to(x.dtype).mul_(256 / kept)
