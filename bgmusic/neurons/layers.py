"""Layers that answer in bits: dense and convolutional, each unit with a learned threshold."""

from __future__ import annotations

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

    """

    def __init__(self, linear: nn.Module, channels: int, dims: int = 0, neuron: BinaryNeuron | None = None) -> None:
        super().__init__()
        self.linear = linear
        self.threshold = nn.Parameter(torch.zeros(channels))
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
    """A dense layer that answers in bits: ``(..., inputs) -> (..., outputs)``.

    Args:
        inputs: features in.
        outputs: bits out, each with a learned threshold.
        neuron: decides; a :class:`DBN` by default.

    """

    def __init__(self, inputs: int, outputs: int, neuron: BinaryNeuron | None = None) -> None:
        super().__init__(nn.Linear(inputs, outputs, bias=False), outputs, 0, neuron)


class BinaryConv1d(Thresholded):
    """A convolution that answers in bits: ``(batch, inputs, length) -> (batch, outputs, length')``.

    Args:
        inputs: channels in.
        outputs: channels out, each with a learned threshold.
        kernel: size of the kernel.
        neuron: decides; a :class:`DBN` by default.
        options: those of ``nn.Conv1d``, as stride, padding, groups.

    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, neuron: BinaryNeuron | None = None, **options: Any
    ) -> None:
        super().__init__(nn.Conv1d(inputs, outputs, kernel, bias=False, **options), outputs, 1, neuron)


class BinaryConv2d(Thresholded):
    """A convolution that answers in bits: ``(batch, inputs, h, w) -> (batch, outputs, h', w')``.

    Args:
        inputs: channels in.
        outputs: channels out, each with a learned threshold.
        kernel: size of the kernel, or both sizes.
        neuron: decides; a :class:`DBN` by default.
        options: those of ``nn.Conv2d``, as stride, padding, groups.

    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int | tuple[int, int],
        neuron: BinaryNeuron | None = None,
        **options: Any,
    ) -> None:
        super().__init__(nn.Conv2d(inputs, outputs, kernel, bias=False, **options), outputs, 2, neuron)


class BinaryConv3d(Thresholded):
    """A convolution that answers in bits: ``(batch, inputs, d, h, w) -> (batch, outputs, d', h', w')``.

    Args:
        inputs: channels in.
        outputs: channels out, each with a learned threshold.
        kernel: size of the kernel, or all three sizes.
        neuron: decides; a :class:`DBN` by default.
        options: those of ``nn.Conv3d``, as stride, padding, groups.

    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int | tuple[int, int, int],
        neuron: BinaryNeuron | None = None,
        **options: Any,
    ) -> None:
        super().__init__(nn.Conv3d(inputs, outputs, kernel, bias=False, **options), outputs, 3, neuron)
