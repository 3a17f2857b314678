"""Layers that answer in bits: dense and convolutional, each unit with a learned threshold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from bgmusic.neurons.modules import DBN, BinaryNeuron


class Thresholded(nn.Module):
    """A linear map, a learned threshold for each of its channels, a neuron: ``neuron(W x - threshold)``.

    What :class:`BinaryDense` and the convolutions share; it makes a binary layer of any linear one.

    Args:
        linear: a layer without bias, from ``x`` to ``(batch, channels, ...)``, or ``(..., channels)`` if dims is 0.
        channels: thresholds, all zero at the start.
        dims: dimensions behind the channels.
        neuron: decides; a :class:`DBN` by default.
        device: of the thresholds.
        dtype: of the thresholds.

    """

    def __init__(
        self,
        linear: nn.Module,
        channels: int,
        dims: int = 0,
        neuron: BinaryNeuron | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.linear = linear
        self.threshold = nn.Parameter(torch.zeros(channels, device=device, dtype=dtype))
        self.neuron = DBN() if neuron is None else neuron
        self.dims = dims

    def logits(self, x: Tensor) -> Tensor:
        """What the neuron thresholds at zero, of the linear layer's output shape."""
        activation: Tensor = self.linear(x)
        return activation - self.threshold.view(-1, *[1] * self.dims).to(activation.dtype)

    def forward(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Bits of the linear layer's output shape; ``generator`` feeds a stochastic neuron."""
        bits: Tensor = self.neuron(self.logits(x), generator)
        return bits


class BinaryDense(Thresholded):
    """A dense layer that answers in bits: ``(..., in_features) -> (..., out_features)``.

    Args:
        in_features: numbers in.
        out_features: bits out, each with a learned threshold.
        neuron: decides; a :class:`DBN` by default.
        device: of the weights.
        dtype: of the weights.

    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        neuron: BinaryNeuron | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        linear = nn.Linear(in_features, out_features, bias=False, device=device, dtype=dtype)
        super().__init__(linear, out_features, 0, neuron, device, dtype)


def _thresholded(
    convolution: Callable[..., nn.Module], dims: int, sizes: tuple[Any, ...], options: dict[str, Any]
) -> dict[str, Any]:
    if "bias" in options:
        raise TypeError("a binary convolution has thresholds in place of a bias")
    given = {"device": options.get("device"), "dtype": options.get("dtype")}
    return {"linear": convolution(*sizes, bias=False, **options), "channels": sizes[1], "dims": dims, **given}


class BinaryConv1d(Thresholded):
    """A convolution that answers in bits: ``(batch, in_channels, length) -> (batch, out_channels, length')``.

    Args:
        in_channels: channels in.
        out_channels: channels out, each with a learned threshold.
        kernel_size: size of the kernel.
        neuron: decides; a :class:`DBN` by default.
        options: those of ``nn.Conv1d`` but ``bias``, as stride, padding, groups, device.

    Raises:
        TypeError: ``bias`` is given, which the thresholds replace, or an unknown option.

    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, neuron: BinaryNeuron | None = None, **options: Any
    ) -> None:
        sizes = in_channels, out_channels, kernel_size
        super().__init__(neuron=neuron, **_thresholded(nn.Conv1d, 1, sizes, options))


class BinaryConv2d(Thresholded):
    """A convolution that answers in bits: ``(batch, in_channels, h, w) -> (batch, out_channels, h', w')``.

    Args:
        in_channels: channels in.
        out_channels: channels out, each with a learned threshold.
        kernel_size: size of the kernel, or both sizes.
        neuron: decides; a :class:`DBN` by default.
        options: those of ``nn.Conv2d`` but ``bias``, as stride, padding, groups, device.

    Raises:
        TypeError: ``bias`` is given, which the thresholds replace, or an unknown option.

    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        neuron: BinaryNeuron | None = None,
        **options: Any,
    ) -> None:
        sizes = in_channels, out_channels, kernel_size
        super().__init__(neuron=neuron, **_thresholded(nn.Conv2d, 2, sizes, options))


class BinaryConv3d(Thresholded):
    """A convolution that answers in bits: ``(batch, in_channels, d, h, w) -> (batch, out_channels, d', h', w')``.

    Args:
        in_channels: channels in.
        out_channels: channels out, each with a learned threshold.
        kernel_size: size of the kernel, or all three sizes.
        neuron: decides; a :class:`DBN` by default.
        options: those of ``nn.Conv3d`` but ``bias``, as stride, padding, groups, device.

    Raises:
        TypeError: ``bias`` is given, which the thresholds replace, or an unknown option.

    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int, int],
        neuron: BinaryNeuron | None = None,
        **options: Any,
    ) -> None:
        sizes = in_channels, out_channels, kernel_size
        super().__init__(neuron=neuron, **_thresholded(nn.Conv3d, 3, sizes, options))
