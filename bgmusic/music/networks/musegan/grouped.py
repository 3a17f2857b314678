"""Layers in which every track has its own weights, computed for all tracks at once.

A convolution whose kernel equals its stride is a matrix product of patches; for all tracks it is a batched product.
Tracks come first and channels last, ``(tracks, positions, channels)``. On a CPU such a product is as fast as a grouped
convolution in float32 and twice as fast in bfloat16. On any device its second derivative is as fast as its first.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

Norm = Literal["batch", "scale"]

_PARTS = 32
_LEAST_PART = 64  # positions; shorter sums are fast anyway


def patches(x: Tensor, steps: int, pitches: int) -> Tensor:
    """Cut ``(..., steps * S, pitches * P, channels)`` into ``(..., S, P, steps * pitches * channels)``."""
    *lead, all_steps, all_pitches, channels = x.shape
    cut = x.reshape(*lead, all_steps // steps, steps, all_pitches // pitches, pitches, channels)
    return cut.transpose(-4, -3).flatten(-3)


def overlapping(x: Tensor, dim: int, kernel: int, stride: int) -> Tensor:
    """Cut overlapping patches along a dimension of ``(..., channels)``; channels become ``kernel * channels``."""
    last = (x.shape[dim] - kernel) // stride * stride
    each = [x.narrow(dim, begin, last + 1) for begin in range(kernel)]
    # The gradient of torch's unfold takes three times as long.
    return torch.cat([values.movedim(dim, 0)[::stride].movedim(0, dim) for values in each], -1)


def _in_parts(x: Tensor) -> bool:
    """Return whether to sum over the positions of ``(tracks, positions, n)`` in parts."""
    return x.device.type != "cpu" and x.shape[1] >= _PARTS * _LEAST_PART


def summed_products(x: Tensor, y: Tensor) -> Tensor:
    """Return ``x^T y`` of every track, summed over positions.

    A GPU computes each result of a batched product on few of its processors, however long the sum. There the sum is
    taken in parts (12 times as fast on an H100), which are added in float32 or wider.

    Args:
        x: ``(tracks, positions, n)``.
        y: ``(tracks, positions, m)``.

    Returns:
        ``(tracks, n, m)``.

    """
    if not _in_parts(x):
        return torch.bmm(x.transpose(1, 2), y)
    tracks, positions, _ = x.shape
    size = positions // _PARTS
    whole = size * _PARTS
    first, second = (v[:, :whole].unflatten(1, (_PARTS, size)).flatten(0, 1) for v in (x, y))
    wide = torch.promote_types(x.dtype, torch.float32)
    summed = torch.bmm(first.transpose(1, 2), second).unflatten(0, (tracks, _PARTS)).sum(1, dtype=wide)
    rest = torch.bmm(x[:, whole:].transpose(1, 2), y[:, whole:])
    return torch.add(summed, rest)


class _GroupedLinear(torch.autograd.Function):
    """``bias + x weight`` of every track, whose weight's gradient is :func:`summed_products`; twice differentiable."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return torch.baddbmm(bias, x, weight)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        grad_weight = summed_products(x, gradients[0]).to(weight.dtype)
        return torch.bmm(gradients[0], weight.transpose(1, 2)), grad_weight, gradients[0].sum(1, keepdim=True)


def grouped_linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return ``bias + x weight`` of every track.

    Args:
        x: ``(tracks, positions, inputs)``.
        weight: ``(tracks, inputs, outputs)``.
        bias: ``(tracks, 1, outputs)``.

    Returns:
        ``(tracks, positions, outputs)``.

    """
    if not _in_parts(x):
        return torch.baddbmm(bias, x, weight)
    result: Tensor = _GroupedLinear.apply(*as_autocast(x, weight, bias))
    return result


def as_autocast(*inputs: Tensor) -> tuple[Tensor, ...]:
    """Convert the inputs of a product to autocast's dtype, if autocast is on."""
    kind = inputs[0].device.type
    if not (torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)):
        return inputs
    return tuple(values.to(torch.get_autocast_dtype(kind)) for values in inputs)


class GroupedLinear(nn.Module):
    """A linear layer with weights of each track: ``(tracks, ..., inputs)`` to ``(tracks, ..., outputs)``.

    On patches it is a convolution with tracks as groups, whose kernel equals its stride. ``weight`` is
    ``(tracks, inputs, outputs)``, ``bias`` ``(tracks, 1, outputs)``.

    Args:
        tracks: groups.
        inputs: channels in.
        outputs: channels out.
        fan_in: scale of the initial weights; ``inputs`` by default.
        bias: whether there is one.

    """

    def __init__(self, tracks: int, inputs: int, outputs: int, fan_in: int | None = None, bias: bool = True) -> None:
        super().__init__()
        bound = 1 / math.sqrt(fan_in or inputs)
        self.weight = nn.Parameter(torch.empty(tracks, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(tracks, 1, outputs).uniform_(-bound, bound)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        rows = x.flatten(1, -2)
        rows = torch.bmm(rows, self.weight) if self.bias is None else grouped_linear(rows, self.weight, self.bias)
        return rows.view(*x.shape[:-1], -1)


class _Moments(torch.autograd.Function):
    """The means of :func:`moments`, with a backward pass of one product where autograd takes five passes."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(x)
        wide = torch.promote_types(x.dtype, torch.float32)
        return x.mean(1, dtype=wide), summed_products(x, x).to(wide) / x.shape[1]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        first, second = (gradient / x.shape[1] for gradient in gradients)
        return torch.baddbmm(first.unsqueeze(1).to(x.dtype), x, (second + second.transpose(1, 2)).to(x.dtype))


Moments = tuple[Tensor, Tensor]
"""Means over positions: of inputs, ``(tracks, inputs)``, and of their products, ``(tracks, inputs, inputs)``."""


def moments(x: Tensor) -> Moments:
    """Return the moments of ``(tracks, positions, inputs)``, float32 or wider; products are in the input's dtype."""
    first, second = _Moments.apply(x)
    return first, second


class GroupedNormLinear(nn.Module):
    """A linear layer of each track to ``taps`` positions of ``outputs`` channels each, with batch norm.

    On channels-last cells it is a transposed convolution with tracks as groups, whose kernel of ``taps`` positions
    equals its stride, followed by batch norm of each track's channels. Values and gradients are those of
    :class:`torch.nn.BatchNorm1d`.

    The mean and variance of a linear layer's outputs follow from those of its inputs: with input mean m and
    covariance C, output channel ``w`` has mean ``w m`` and variance ``w C w``. So the statistics are taken of the
    inputs, which are many times fewer, and the norm is folded into the weights. This saves all passes over the
    outputs, and their memory.

    Args:
        tracks: groups.
        inputs: channels in.
        taps: positions that each input position becomes.
        outputs: channels of each.
        norm: ``batch``, or ``scale``: a learned scale and offset without statistics (as the original code runs).

    """

    EPSILON = 1e-5
    MOMENTUM = 0.1
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, tracks: int, inputs: int, taps: int, outputs: int, norm: Norm = "batch") -> None:
        super().__init__()
        self.norm = norm
        bound = 1 / math.sqrt(inputs)
        self.weight = nn.Parameter(torch.empty(tracks, inputs, taps, outputs).uniform_(-bound, bound))
        self.scale = nn.Parameter(torch.ones(tracks, outputs))
        self.offset = nn.Parameter(torch.zeros(tracks, outputs))
        if norm == "batch":
            self.register_buffer("running_mean", torch.zeros(tracks, outputs))
            self.register_buffer("running_var", torch.ones(tracks, outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer: ``(tracks, positions, inputs)`` to ``(tracks, positions * taps, outputs)``."""
        weight, bias = self.fold(x)
        return grouped_linear(x, weight, bias).view(len(x), -1, self.weight.shape[-1])

    @property
    def uses_batch_statistics(self) -> bool:
        """Whether the norm uses the statistics of its inputs: batch norm while training."""
        return self.norm == "batch" and self.training

    def fold(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weight and bias with the norm folded into them, for the inputs ``x``.

        Running statistics are updated while training.

        Args:
            x: ``(tracks, positions, inputs)``; 1 for ``tracks`` if all tracks have the same inputs.

        Returns:
            Weight ``(tracks, inputs, taps * outputs)`` and bias ``(tracks, 1, taps * outputs)``.

        """
        return self.fold_moments(moments(x) if self.uses_batch_statistics else None, x.shape[1])

    def fold_moments(self, of_inputs: Moments | None, positions: int) -> tuple[Tensor, Tensor]:
        """As :meth:`fold`, from the moments of that many positions; None without batch statistics."""
        scale: Tensor = self.scale
        offset: Tensor = self.offset
        if self.norm == "batch":
            known = self.running_mean, self.running_var
            mean, variance = known if of_inputs is None else self._statistics(of_inputs, positions)
            scale = scale * (variance + self.EPSILON).rsqrt()
            offset = offset - mean * scale
        weight = (self.weight * scale[:, None, None, :]).flatten(2)
        bias = offset[:, None, None, :].expand(-1, 1, self.weight.shape[2], -1).flatten(2)
        return weight, bias

    def _statistics(self, of_inputs: Moments, positions: int) -> tuple[Tensor, Tensor]:
        """Return the mean and variance of the outputs over positions and taps, each ``(tracks, outputs)``."""
        first, second = of_inputs
        with torch.autocast(first.device.type, enabled=False):
            covariance = second - first.unsqueeze(2) * first.unsqueeze(1)
            of_taps = torch.einsum("gi,gito->gto", first, self.weight)
            within = (torch.einsum("gij,gjto->gito", covariance, self.weight) * self.weight).sum(1)
            mean = of_taps.mean(1)
            # Rounding can make a variance negative.
            variance = (within.mean(1) + (of_taps - mean.unsqueeze(1)).square().mean(1)).clamp(min=0)
            with torch.no_grad():
                count = positions * self.weight.shape[2]
                self.running_mean.lerp_(mean, self.MOMENTUM)
                self.running_var.lerp_(variance * (count / max(1, count - 1)), self.MOMENTUM)
        return mean, variance
