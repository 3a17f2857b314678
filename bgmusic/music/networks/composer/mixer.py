"""A network over beats and pitches that treats all pitches alike.

Its cells are (beat, pitch); what happens within a beat (steps, tracks, onsets) are their channels. Chords, keys and
repetitions are relations between pitches and between beats, so each layer mixes along both by weights that depend on
distances alone (Toeplitz matrices, one a channel), and joins channels by a product that all cells share. A phrase of
four bars is some thousand cells, a layer three matrix products, and what is learned in one key is known in all.

Tensors are channel-first, ``(channels, batch, beats, pitches)``: a product over channels is then one large matrix
product, and a mixing over pitches one of each channel.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

_FIRST_STEP = 0.3  # residual layers begin small
_TINY = 1e-5


class Pointwise(nn.Module):
    """A linear layer over the first axis: ``(inputs, ...)`` to ``(outputs, ...)``."""

    def __init__(self, inputs: int, outputs: int, scale: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) * (scale / math.sqrt(inputs)))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """The same layer for every cell."""
        return self.flat(x).view(-1, *x.shape[1:])

    def flat(self, x: Tensor) -> Tensor:
        """The same, ``(outputs, cells)``."""
        return torch.addmm(self.bias.unsqueeze(1), self.weight, x.flatten(1))


class Distances(nn.Module):
    """A matrix ``(channels, size, size)`` whose entries depend on the distance of row and column alone."""

    def __init__(self, channels: int, size: int) -> None:
        super().__init__()
        self.size = size
        self.weight = nn.Parameter(torch.randn(channels, 2 * size - 1) * (0.5 / math.sqrt(size)))

    def forward(self) -> Tensor:
        """The matrices."""
        place = torch.arange(self.size, device=self.weight.device)
        return self.weight[:, place.unsqueeze(1) - place + self.size - 1]


class Mix(nn.Module):
    """Each channel mixed along pitches, and along beats, and kept: a sum of the three."""

    def __init__(self, channels: int, beats: int, pitches: int) -> None:
        super().__init__()
        self.pitches, self.beats = Distances(channels, pitches), Distances(channels, beats)
        self.keep = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """``(channels, batch, beats, pitches)`` to the same."""
        channels, batch, beats, pitches = x.shape
        kept = torch.diag_embed(self.keep.unsqueeze(1).expand(channels, pitches))
        along_pitches = torch.bmm(x.reshape(channels, batch * beats, pitches), (self.pitches() + kept).to(x.dtype))
        over_beats = self.beats().to(x.dtype).repeat_interleave(batch, 0)
        rolls = channels * batch, beats, pitches
        return torch.baddbmm(along_pitches.view(rolls), over_beats, x.reshape(rolls)).view(x.shape)


def normalised(x: Tensor) -> Tensor:
    """Each cell divided by the root mean square of its channels (arXiv 1910.07467, without gains)."""
    size = x.square().mean(0, keepdim=True, dtype=torch.float32).add(_TINY).rsqrt()
    return x * size.to(x.dtype)


class Block(nn.Module):
    """A residual layer: normalise, mix along pitches and beats, join channels through a wider hidden layer."""

    def __init__(self, channels: int, beats: int, pitches: int, expansion: int) -> None:
        super().__init__()
        self.mix = Mix(channels, beats, pitches)
        self.up = Pointwise(channels, expansion * channels)
        self.down = nn.Parameter(
            torch.randn(channels, expansion * channels) * (_FIRST_STEP / math.sqrt(expansion * channels))
        )

    def forward(self, x: Tensor) -> Tensor:
        """``(channels, batch, beats, pitches)`` to the same."""
        # Flat, since what changes a view in place is differentiated by copies, which cost a quarter of a training.
        hidden = torch.relu_(self.up.flat(self.mix(normalised(x))))
        return torch.addmm(x.flatten(1), self.down, hidden).view(x.shape)


class Mixer(nn.Module):
    """Blocks between a first layer and what their user puts behind them.

    Pitches and beats are alike but for what is added in the beginning: a vector for each pitch (voices have ranges,
    drums their rows), each bar and each beat of a bar.
    """

    def __init__(
        self, inputs: int, channels: int, layers: int, expansion: int, bars: int, beats: int, pitches: int
    ) -> None:
        super().__init__()
        self.first = Pointwise(inputs, channels)
        self.pitch = nn.Parameter(torch.randn(channels, 1, pitches) * 0.02)
        self.bar = nn.Parameter(torch.randn(channels, bars, 1) * 0.02)
        self.beat = nn.Parameter(torch.randn(channels, 1, beats) * 0.02)
        self.blocks = nn.ModuleList(Block(channels, bars * beats, pitches, expansion) for _ in range(layers))

    def forward(self, x: Tensor) -> Tensor:
        """``(inputs, batch, bars * beats, pitches)`` to ``(channels, batch, bars * beats, pitches)``, normalised."""
        x = self.first(x)
        places = (self.bar + self.beat).flatten(1).unsqueeze(2) + self.pitch
        x = x + places.unsqueeze(1).to(x.dtype)
        for block in self.blocks:
            x = block(x)
        return normalised(x)
