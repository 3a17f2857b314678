"""Layers in which every track has weights of its own, and all tracks are computed at once.

A convolution whose kernel equals its stride is a matrix product of patches, and one of all tracks a batched
product. Tracks come first and channels last, ``(tracks, positions, channels)``: on a CPU such a product takes no longer
than a grouped convolution in float32 and half its time in bfloat16, on any device it differentiates twice at the same
price, and in what order the positions come does not matter until the roll is put together.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

Norm = Literal["batch", "scale"]

_PARTS = 32
_LEAST_PART = 64  # positions; sums of fewer are quick anyway


def patches(x: Tensor, steps: int, pitches: int) -> Tensor:
    """Cut ``(..., steps * S, pitches * P, channels)`` into ``(..., S, P, steps * pitches * channels)``."""
    *lead, all_steps, all_pitches, channels = x.shape
    cut = x.reshape(*lead, all_steps // steps, steps, all_pitches // pitches, pitches, channels)
    return cut.transpose(-4, -3).flatten(-3)


def overlapping(x: Tensor, dim: int, kernel: int, stride: int) -> Tensor:
    """Patches along one dimension of ``(..., channels)``: that dimension shrinks, channels become kernel * channels."""
    last = (x.shape[dim] - kernel) // stride * stride
    each = [x.narrow(dim, begin, last + 1) for begin in range(kernel)]
    # Differentiated in a third of the time of torch's unfold.
    return torch.cat([values.movedim(dim, 0)[::stride].movedim(0, dim) for values in each], -1)


def _in_parts(x: Tensor) -> bool:
    """Whether sums over the positions of ``(tracks, positions, n)`` are taken in parts."""
    return x.device.type != "cpu" and x.shape[1] >= _PARTS * _LEAST_PART


def summed_products(x: Tensor, y: Tensor) -> Tensor:
    """``x^T y`` of every track, summed over positions: of ``(tracks, positions, n)`` and ``(tracks, positions, m)``.

    ``(tracks, n, m)``. A GPU's batched product leaves each small result to few of its many processors, however long
    the sum: there the sum is taken in parts (12 times as fast on an H100), and these are added in float32 at least.
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


class _Product(torch.autograd.Function):
    """``bias + x weight`` of every track, whose weight's gradient is :func:`summed_products`; twice differentiable."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return torch.baddbmm(bias, x, weight)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        of_weight = summed_products(x, gradients[0]).to(weight.dtype)
        return torch.bmm(gradients[0], weight.transpose(1, 2)), of_weight, gradients[0].sum(1, keepdim=True)


def product(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """``bias + x weight`` of every track: ``(tracks, positions, inputs)`` to ``(tracks, positions, outputs)``."""
    if not _in_parts(x):
        return torch.baddbmm(bias, x, weight)
    found: Tensor = _Product.apply(*as_autocast(x, weight, bias))
    return found


class _ByWeight(torch.autograd.Function):
    """``y = bias + x weight`` as a function of weight and bias."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return y.view_as(y)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, None, Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        return None, None, summed_products(x, gradients[0]).to(weight.dtype), gradients[0].sum(1, keepdim=True)


class _ByInput(torch.autograd.Function):
    """``y = bias + x weight`` as a function of x; the weight is no argument, and its gradient not asked for here."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, x: Tensor, weights: tuple[Tensor]) -> Tensor:
        ctx.save_for_backward(*weights)
        return y.view_as(y)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor, None]:
        return None, _Back.apply(gradients[0], *ctx.saved_tensors), None


class _Back(torch.autograd.Function):
    """``gradient weight^T``; its own gradient by the weight is a sum over positions like the other."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(gradient, weight)
        return torch.bmm(gradient, weight.transpose(1, 2))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        gradient, weight = ctx.saved_tensors
        return torch.bmm(gradients[0], weight), summed_products(gradients[0], gradient).to(weight.dtype)


class _Either(torch.autograd.Function):
    """One value that stands twice, as a function of different things."""

    @staticmethod
    def forward(ctx: Any, one: Tensor, other: Tensor) -> Tensor:
        return one.view_as(one)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        return gradients[0], gradients[0]


def either(one: Tensor, other: Tensor) -> Tensor:
    """One value that was found twice, as a function of different things."""
    found: Tensor = _Either.apply(one, other)
    return found


def penalised_product(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """The same where the gradient by the input is differentiated, as a penalty does; not to be changed in place.

    Two functions, since autograd asks each for its gradients only where they are needed: a penalty needs the input's
    alone at first. All sums over positions have the wider side last: with 6 numbers there, as in D's first layer, a
    product takes a CPU five times as long.
    """
    x, weight, bias = as_autocast(x, weight, bias)
    with torch.no_grad():
        y = torch.baddbmm(bias, x, weight)
    return either(_ByInput.apply(y, x, (weight,)), _ByWeight.apply(y, x.detach(), weight, bias))


def as_autocast(*inputs: Tensor) -> tuple[Tensor, ...]:
    """Inputs of a product in the type in which autocast, if it is on, would have it computed."""
    kind = inputs[0].device.type
    if not (torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)):
        return inputs
    return tuple(values.to(torch.get_autocast_dtype(kind)) for values in inputs)


class GroupedLinear(nn.Module):
    """For each track a linear layer of its own: ``(tracks, ..., inputs)`` to ``(tracks, ..., outputs)``.

    ``weight`` is ``(tracks, inputs, outputs)``, ``bias`` ``(tracks, 1, outputs)``. On patches it is a convolution
    with tracks as groups, whose kernel equals its stride. ``fan_in`` scales the initial weights; ``inputs`` by default.
    """

    def __init__(self, tracks: int, inputs: int, outputs: int, fan_in: int | None = None, bias: bool = True) -> None:
        super().__init__()
        bound = 1 / math.sqrt(fan_in or inputs)
        self.weight = nn.Parameter(torch.empty(tracks, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(tracks, 1, outputs).uniform_(-bound, bound)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Apply each track's layer."""
        rows = x.flatten(1, -2)
        rows = torch.bmm(rows, self.weight) if self.bias is None else penalised_product(rows, self.weight, self.bias)
        return rows.view(*x.shape[:-1], -1)


class _Moments(torch.autograd.Function):
    """Means of ``(tracks, positions, inputs)`` and of its products, as :func:`moments` gives them.

    autograd would take five passes over the positions where one product is enough.
    """

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
"""Means over positions of inputs, ``(tracks, inputs)``, and of their products, ``(tracks, inputs, inputs)``."""


def moments(x: Tensor) -> Moments:
    """Of ``(tracks, positions, inputs)``; float32 at least, the products computed in the input's or autocast's type."""
    first, second = _Moments.apply(x)
    return first, second


class GroupedNormLinear(nn.Module):
    """For each track a linear layer to ``taps`` positions of ``outputs`` channels each, and its batch norm.

    On channels-last cells it is a transposed convolution with tracks as groups, whose kernel of ``taps`` positions
    equals its stride, followed by batch norm of each track's channels.

    The mean and variance of a linear layer's outputs follow from those of its inputs: with input mean m and
    covariance C, output channel ``w`` has mean ``w m`` and variance ``w C w``. So the statistics are taken of the
    inputs, which are many times fewer, and the norm is folded into the weights: no pass over the outputs, and none
    of them kept for the backward pass. Values and gradients are those of :class:`torch.nn.BatchNorm1d`.

    Args:
        tracks: groups.
        inputs: channels in.
        taps: positions that each input position becomes.
        outputs: channels of each.
        norm: ``batch``, or ``scale``: a learned scale and offset alone (batch norm as the original code runs).

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
        """``(tracks, positions, inputs)`` to ``(tracks, positions * taps, outputs)``, normalised."""
        weight, bias = self.folded(x)
        return product(x, weight, bias).view(len(x), -1, self.weight.shape[-1])

    def folded(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Weight ``(tracks, inputs, taps * outputs)`` and bias ``(tracks, 1, taps * outputs)``, norm included.

        While training they follow the statistics of ``x``, the layer's inputs (one track's, if all see the same), and
        running statistics are updated.
        """
        return self.folded_by(moments(x) if self.follows else None, x.shape[1])

    @property
    def follows(self) -> bool:
        """Whether the norm is of the inputs at hand: batch norm while training."""
        return self.norm == "batch" and self.training

    def folded_by(self, of_inputs: Moments | None, positions: int) -> tuple[Tensor, Tensor]:
        """As :meth:`folded`, by moments of so many positions; needed where :attr:`follows` holds."""
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
        """Mean and variance of the outputs over positions and taps, each ``(tracks, outputs)``."""
        first, second = of_inputs
        with torch.autocast(first.device.type, enabled=False):
            covariance = second - first.unsqueeze(2) * first.unsqueeze(1)
            of_taps = torch.einsum("gi,gito->gto", first, self.weight)
            within = (torch.einsum("gij,gjto->gito", covariance, self.weight) * self.weight).sum(1)
            mean = of_taps.mean(1)
            # Rounding must not make a variance negative.
            variance = (within.mean(1) + (of_taps - mean.unsqueeze(1)).square().mean(1)).clamp(min=0)
            with torch.no_grad():
                count = positions * self.weight.shape[2]
                self.running_mean.lerp_(mean, self.MOMENTUM)
                self.running_var.lerp_(variance * (count / max(1, count - 1)), self.MOMENTUM)
        return mean, variance
