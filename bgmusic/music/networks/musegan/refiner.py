"""BinaryMuseGAN's refiner (arXiv 1804.09399, section 4): residual units with weights of each track."""

from __future__ import annotations

from collections.abc import Callable
from operator import mul
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from bgmusic.gan.layers import Scale
from bgmusic.music.networks.musegan.grouped import GroupedNormLinear, Moments, grouped_linear, moments
from bgmusic.music.networks.musegan.sizes import OCTAVE, MuseGANSizes
from bgmusic.music.networks.pianoroll_config import MuseGANConfig

Result = TypeVar("Result")

CHANNELS = 64
PIECE = 2**18  # cells of all tracks that are computed at once, with 64 channels each
KERNEL = (3, OCTAVE)  # steps, pitches
TAPS = KERNEL[0] * KERNEL[1]
_BEFORE = tuple((size - 1) // 2 for size in KERNEL)  # "same" padding puts an odd zero after
_AFTER = tuple(size - 1 - before for size, before in zip(KERNEL, _BEFORE, strict=True))


class ResidualUnit(nn.Module):
    """Norm, ReLU, a convolution to 64 channels, norm, ReLU, a convolution back to one channel; plus the input.

    Both kernels have 3 steps x 12 pitches. Inputs and outputs are ``(tracks, batch, bars, planes, steps, pitches)``;
    every track has its own weights and sees its cells and onsets.
    """

    def __init__(self, config: MuseGANConfig, sizes: MuseGANSizes, last: bool) -> None:
        super().__init__()
        channels = max(1, round(CHANNELS * config.width))
        tracks, planes = sizes.tracks, sizes.shape.planes
        self.norm: nn.Module = nn.BatchNorm3d(tracks * planes) if config.norm == "batch" else Scale(tracks * planes)
        self.first = GroupedNormLinear(tracks, planes * TAPS, 1, channels, config.norm)
        bound = (channels * TAPS) ** -0.5
        self.weight = nn.Parameter(torch.empty(tracks, 1, planes * TAPS, channels).uniform_(-bound, bound))
        # The last unit starts by subtracting 0.5 from preactivated outputs, so that the neuron starts with hard
        # thresholding; without the offset every cell would sound.
        self.bias = nn.Parameter(torch.full((tracks, 1, 1, planes, 1, 1), -0.5 if last else 0.0))

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` plus the learned residual."""
        tracks, batch, bars, planes, steps, pitches = x.shape
        normed = self.norm(x.permute(1, 0, 3, 2, 4, 5).flatten(1, 2)).unflatten(1, (tracks, planes))
        active = torch.relu(normed).permute(1, 0, 3, 4, 5, 2)  # tracks, batch, bars, steps, pitches, planes
        (top, left), (bottom, right) = _BEFORE, _AFTER
        padded = F.pad(active, (0, 0, left, right, top, bottom))
        cells = batch * bars * steps * pitches
        # A few phrases at a time, recomputed in the backward pass: the channels of a batch at the paper's size would
        # take 2 GB.
        pieces = padded.split(max(1, PIECE // (tracks * bars * steps * pitches)), 1)
        of_windows = None
        if self.first.uses_batch_statistics:
            each = [self._recomputed(self._moments, piece) for piece in pieces]
            shares = [piece.shape[1] / batch for piece in pieces]
            first, second = (sum(map(mul, shares, values)) for values in zip(*each, strict=True))
            of_windows = first, second
        weight, bias = self.first.fold_moments(of_windows, cells)
        added = [self._recomputed(self._residual, piece, weight, bias, self.weight) for piece in pieces]
        return x + torch.cat(added, 1) + self.bias

    @staticmethod
    def _recomputed(function: Callable[..., Result], *inputs: Tensor) -> Result:
        result: Result = checkpoint(function, *inputs, use_reentrant=False, preserve_rng_state=False)
        return result

    def _windows(self, padded: Tensor) -> Tensor:
        """Return the kernel's inputs at every cell, ``(tracks, cells, planes * 36)``.

        Args:
            padded: ``(tracks, phrases, bars, steps + 2, pitches + 11, planes)``.

        """
        windows = padded.unfold(3, KERNEL[0], 1).unfold(4, KERNEL[1], 1)  # ..., planes, 3, 12
        return windows.reshape(len(padded), -1, padded.shape[-1] * TAPS)

    def _moments(self, padded: Tensor) -> Moments:
        return moments(self._windows(padded))

    def _residual(self, padded: Tensor, weight: Tensor, bias: Tensor, second: Tensor) -> Tensor:
        """Return the residual of phrases: ``(tracks, phrases, bars, planes, steps, pitches)``."""
        tracks, phrases, bars, high, wide, planes = padded.shape
        steps, pitches = high - KERNEL[0] + 1, wide - KERNEL[1] + 1
        hidden = torch.relu_(grouped_linear(self._windows(padded), weight, bias))
        # The second convolution as a transposed one: each cell adds to the cells around it.
        spread = torch.matmul(second, hidden.view(tracks, phrases * bars, steps * pitches, -1).transpose(-1, -2))
        summed = F.fold(spread.flatten(0, 1), (high, wide), KERNEL).view(tracks, phrases, bars, planes, high, wide)
        # A transposed kernel is mirrored.
        bottom, right = _AFTER
        return summed[..., bottom : bottom + steps, right : right + pitches]


class Refiner(nn.Module):
    """Turn preactivated outputs into the neuron's input, both ``(batch, channels, bars, steps, pitches)``."""

    def __init__(self, config: MuseGANConfig, sizes: MuseGANSizes) -> None:
        super().__init__()
        self.sizes = sizes
        numbers = range(config.refiner)
        self.units = nn.Sequential(*(ResidualUnit(config, sizes, number == numbers[-1]) for number in numbers))

    def forward(self, preactivated: Tensor) -> Tensor:
        """Return logits: a deterministic neuron thresholds them at 0."""
        planes = self.sizes.shape.planes
        x = preactivated.unflatten(1, (planes, self.sizes.tracks)).permute(2, 0, 3, 1, 4, 5)
        refined: Tensor = self.units(x)
        return refined.permute(1, 3, 0, 2, 4, 5).flatten(1, 2)
