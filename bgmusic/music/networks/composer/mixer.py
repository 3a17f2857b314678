"""A network over beats and pitches that treats all pitches alike.

A cell is a beat and a pitch; its channels are the steps, tracks and onsets within the beat. Chords, keys and
repetitions are relations between pitches and between beats. So each layer mixes along both with weights that depend on
distance alone (a Toeplitz matrix per channel), and joins channels with weights that all cells share: what is learned in
one key holds in all. A layer is three matrix products.

Tensors are channel-first, ``(channels, batch, beats, pitches)``, so that joining channels is one large matrix product,
and mixing along pitches one product per channel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

_RESIDUAL_SCALE = 0.3  # of a layer's initial weights
_EPSILON = 1e-5
_MAX_KEPT = 1 << 26  # numbers in the matrices of all blocks that are kept between calls; 256 MiB

Matrices = tuple[Tensor, Tensor]
"""Matrices of a layer over pitches and over beats, each ``(channels, size, size)``."""


class Pointwise(nn.Module):
    """A linear layer over the first axis: ``(inputs, ...)`` to ``(outputs, ...)``."""

    def __init__(self, inputs: int, outputs: int, scale: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) * (scale / math.sqrt(inputs)))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer to every cell."""
        return self.flat(x).view(-1, *x.shape[1:])

    def flat(self, x: Tensor) -> Tensor:
        """Apply the layer and return ``(outputs, cells)``."""
        return torch.addmm(self.bias.unsqueeze(1), self.weight, x.flatten(1))


class Distances(nn.Module):
    """Toeplitz matrices ``(channels, size, size)``: entries depend on the distance of row and column alone."""

    def __init__(self, channels: int, size: int) -> None:
        super().__init__()
        self.size = size
        self.weight = nn.Parameter(torch.randn(channels, 2 * size - 1) * (0.5 / math.sqrt(size)))

    def forward(self) -> Tensor:
        """Return the matrices."""
        place = torch.arange(self.size, device=self.weight.device)
        return self.weight[:, place.unsqueeze(1) - place + self.size - 1]


class Mix(nn.Module):
    """Add to each channel, scaled, its mixtures along pitches and along beats."""

    def __init__(self, channels: int, beats: int, pitches: int) -> None:
        super().__init__()
        self.pitches, self.beats = Distances(channels, pitches), Distances(channels, beats)
        self.keep = nn.Parameter(torch.ones(channels))

    def matrices(self) -> Matrices:
        """Return the layer's matrices; the scale of the channel itself is on the diagonal over pitches."""
        kept = torch.diag_embed(self.keep.unsqueeze(1).expand(-1, self.pitches.size))
        return self.pitches() + kept, self.beats()

    def forward(self, x: Tensor, matrices: Matrices | None = None) -> Tensor:
        """Apply the layer to ``(channels, batch, beats, pitches)``; without ``matrices``, they are computed."""
        channels, batch, beats, pitches = x.shape
        of_pitches, of_beats = matrices or self.matrices()
        along_pitches = torch.bmm(x.reshape(channels, batch * beats, pitches), of_pitches.to(x.dtype))
        over_beats = of_beats.to(x.dtype).repeat_interleave(batch, 0)
        rolls = channels * batch, beats, pitches
        return torch.baddbmm(along_pitches.view(rolls), over_beats, x.reshape(rolls)).view(x.shape)


def normalised(x: Tensor) -> Tensor:
    """Divide each cell by the root mean square of its channels (RMSNorm, arXiv 1910.07467, without gains)."""
    size = x.square().mean(0, keepdim=True, dtype=torch.float32).add(_EPSILON).rsqrt()
    return x * size.to(x.dtype)


class Block(nn.Module):
    """A residual layer: normalise, mix along pitches and beats, join channels through a wider hidden layer."""

    def __init__(self, channels: int, beats: int, pitches: int, expansion: int) -> None:
        super().__init__()
        self.mix = Mix(channels, beats, pitches)
        self.up = Pointwise(channels, expansion * channels)
        self.down = nn.Parameter(
            torch.randn(channels, expansion * channels) * (_RESIDUAL_SCALE / math.sqrt(expansion * channels))
        )

    def forward(self, x: Tensor, matrices: Matrices | None = None) -> Tensor:
        """Apply the layer to ``(channels, batch, beats, pitches)``; ``matrices`` as in :class:`Mix`."""
        # On a flat tensor: gradients of a view that was changed in place need copies, a quarter of a training's time.
        hidden = torch.relu_(self.up.flat(self.mix(normalised(x), matrices)))
        return torch.addmm(x.flatten(1), self.down, hidden).view(x.shape)


class Mixer(nn.Module):
    """A first layer and residual blocks.

    A learned vector for each pitch (voices have ranges, drums their rows), each bar and each beat of a bar is added to
    the input; otherwise all pitches and beats are treated alike.
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

    def matrices(self) -> list[Matrices] | None:
        """Return the matrices of all blocks, for several calls with the same weights; None if they are too large.

        Computing them takes two fifths of a call with one phrase.
        """
        size = sum(mix.keep.numel() * (mix.pitches.size**2 + mix.beats.size**2) for mix in self._mixes())
        return [mix.matrices() for mix in self._mixes()] if size <= _MAX_KEPT else None

    def _mixes(self) -> list[Mix]:
        return [block.mix for block in cast("Sequence[Block]", self.blocks)]

    def forward(self, x: Tensor, matrices: Sequence[Matrices] | None = None) -> Tensor:
        """``(inputs, batch, bars * beats, pitches)`` to ``(channels, batch, bars * beats, pitches)``, normalised."""
        x = self.first(x)
        places = (self.bar + self.beat).flatten(1).unsqueeze(2) + self.pitch
        x = x + places.unsqueeze(1).to(x.dtype)
        of_blocks: Sequence[Matrices | None] = matrices or [None] * len(self.blocks)
        for block, of_block in zip(self.blocks, of_blocks, strict=True):
            x = block(x, of_block)
        return normalised(x)
