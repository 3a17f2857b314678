"""Dense and convolutional layers with binary outputs; each unit has a learned threshold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from bgmusic.neurons.modules import DBN, BinaryNeuron


class Thresholded(nn.Module):
    """Apply a linear layer, subtract a learned threshold per channel, and binarize: ``neuron(W x - threshold)``.

    Base of :class:`BinaryDense` and the convolutions; makes a binary layer of any linear one.

    Args:
        linear: layer without bias, to ``(batch, channels, ...)``, or to ``(..., channels)`` if ``dims`` is 0.
        channels: number of thresholds, all zero at the start.
        dims: number of dimensions after the channels.
        neuron: the binary neuron; a :class:`DBN` by default.
        device: device of the thresholds.
        dtype: type of the thresholds.

    Raises:
        TypeError: ``neuron`` is not a binary neuron.

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
        if not isinstance(self.neuron, BinaryNeuron):
            raise TypeError(f"the neuron must be one such as SBN('reinmax'), not {neuron!r}")
        self.dims = dims

    def logits(self, x: Tensor) -> Tensor:
        """Return the logits of the neuron, of the linear layer's output shape.

        Raises:
            ValueError: the linear layer's output does not have the channels at the documented place.

        """
        activation: Tensor = self.linear(x)
        channel = -1 - self.dims
        if activation.dim() <= self.dims or activation.shape[channel] != len(self.threshold):
            raise ValueError(
                f"the linear layer returned shape {tuple(activation.shape)}; "
                f"expected {len(self.threshold)} channels in dimension {channel}"
            )
        return activation - self.threshold.view(-1, *[1] * self.dims).to(activation.dtype)

    def forward(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return bits of the linear layer's output shape; ``generator`` feeds a stochastic neuron."""
        bits: Tensor = self.neuron(self.logits(x), generator)
        return bits


class BinaryDense(Thresholded):
    """Dense layer with binary outputs: ``(..., in_features) -> (..., out_features)``.

    Args:
        in_features: number of inputs.
        out_features: number of output bits, each with a learned threshold.
        neuron: the binary neuron; a :class:`DBN` by default.
        device: device of the weights.
        dtype: type of the weights.

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
        raise TypeError("a binary convolution has thresholds in place of a bias: leave out `bias`")
    given = {"device": options.get("device"), "dtype": options.get("dtype")}
    return {"linear": convolution(*sizes, bias=False, **options), "channels": sizes[1], "dims": dims, **given}


class BinaryConv1d(Thresholded):
    """Convolution with binary outputs: ``(batch, in_channels, length) -> (batch, out_channels, length')``.

    Args:
        in_channels: number of input channels.
        out_channels: number of output channels, each with a learned threshold.
        kernel_size: size of the kernel.
        neuron: the binary neuron; a :class:`DBN` by default.
        options: keyword arguments of ``nn.Conv1d`` except ``bias``, such as stride, padding, groups, device.

    Raises:
        TypeError: ``bias`` is given (the thresholds replace it), or an option is unknown.

    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, neuron: BinaryNeuron | None = None, **options: Any
    ) -> None:
        sizes = in_channels, out_channels, kernel_size
        super().__init__(neuron=neuron, **_thresholded(nn.Conv1d, 1, sizes, options))


class BinaryConv2d(Thresholded):
    """Convolution with binary outputs: ``(batch, in_channels, h, w) -> (batch, out_channels, h', w')``.

    Args:
        in_channels: number of input channels.
        out_channels: number of output channels, each with a learned threshold.
        kernel_size: size of the kernel, or (height, width).
        neuron: the binary neuron; a :class:`DBN` by default.
        options: keyword arguments of ``nn.Conv2d`` except ``bias``, such as stride, padding, groups, device.

    Raises:
        TypeError: ``bias`` is given (the thresholds replace it), or an option is unknown.

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
    """Convolution with binary outputs: ``(batch, in_channels, d, h, w) -> (batch, out_channels, d', h', w')``.

    Args:
        in_channels: number of input channels.
        out_channels: number of output channels, each with a learned threshold.
        kernel_size: size of the kernel, or (depth, height, width).
        neuron: the binary neuron; a :class:`DBN` by default.
        options: keyword arguments of ``nn.Conv3d`` except ``bias``, such as stride, padding, groups, device.

    Raises:
        TypeError: ``bias`` is given (the thresholds replace it), or an option is unknown.

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
