"""BinaryMuseGAN's refiner (arXiv 1804.09399, section 4): residual units, private to each track."""

from __future__ import annotations

from collections.abc import Callable
from operator import mul
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from bgmusic.gan.layers import Scale
from bgmusic.music.networks.musegan.grouped import GroupedNormLinear, Moments, moments, product
from bgmusic.music.networks.pianoroll_config import NetworkConfig
from bgmusic.music.networks.sizes import OCTAVE, Plan

Result = TypeVar("Result")

CHANNELS = 64
PIECE = 2**18  # cells of all tracks, each of which has 64 channels
KERNEL = (3, OCTAVE)  # steps, pitches
TAPS = KERNEL[0] * KERNEL[1]
_BEFORE = tuple((size - 1) // 2 for size in KERNEL)  # zeros before; "same" puts the odd one after
_AFTER = tuple(size - 1 - before for size, before in zip(KERNEL, _BEFORE, strict=True))


class ResidualUnit(nn.Module):
    """Norm, ReLU, 64 channels of 3 steps x 12 pitches, norm, ReLU, back to one of the same kernel; plus the input.

    Takes and returns ``(tracks, batch, bars, planes, steps, pitches)``; every track has weights of its own, and sees
    its onset plane with its cells.
    """

    def __init__(self, config: NetworkConfig, plan: Plan, last: bool) -> None:
        super().__init__()
        self.plan = plan
        channels = max(1, round(CHANNELS * config.width))
        tracked = plan.tracks * plan.planes
        self.norm: nn.Module = nn.BatchNorm3d(tracked) if config.norm == "batch" else Scale(tracked)
        self.first = GroupedNormLinear(plan.tracks, plan.planes * TAPS, 1, channels, config.norm)
        bound = (channels * TAPS) ** -0.5
        self.weight = nn.Parameter(torch.empty(plan.tracks, 1, plan.planes * TAPS, channels).uniform_(-bound, bound))
        # The last unit begins by taking 0.5 from preactivated outputs: so the neuron's first decision on them is
        # hard thresholding, where with no offset it would light every cell.
        self.bias = nn.Parameter(torch.full((plan.tracks, 1, 1, plan.planes, 1, 1), -0.5 if last else 0.0))

    def forward(self, x: Tensor) -> Tensor:
        """Add what the unit has learned to ``x``."""
        tracks, batch, bars, planes, steps, pitches = x.shape
        normed = self.norm(x.permute(1, 0, 3, 2, 4, 5).flatten(1, 2)).unflatten(1, (tracks, planes))
        active = torch.relu(normed).permute(1, 0, 3, 4, 5, 2)  # tracks, batch, bars, steps, pitches, planes
        (top, left), (bottom, right) = _BEFORE, _AFTER
        padded = F.pad(active, (0, 0, left, right, top, bottom))
        cells = batch * bars * steps * pitches
        # A few phrases at a time, and their channels anew in the backward pass: of a batch of the paper's rolls, they
        # would be 2 GB.
        pieces = padded.split(max(1, PIECE // (tracks * bars * steps * pitches)), 1)
        of_windows = None
        if self.first.follows:
            each = [self._anew(self._moments, piece) for piece in pieces]
            shares = [piece.shape[1] / batch for piece in pieces]
            first, second = (sum(map(mul, shares, values)) for values in zip(*each, strict=True))
            of_windows = first, second
        weight, bias = self.first.folded_by(of_windows, cells)
        added = [self._anew(self._given, piece, weight, bias, self.weight) for piece in pieces]
        return x + torch.cat(added, 1) + self.bias

    @staticmethod
    def _anew(function: Callable[..., Result], *inputs: Tensor) -> Result:
        result: Result = checkpoint(function, *inputs, use_reentrant=False, preserve_rng_state=False)
        return result

    def _windows(self, padded: Tensor) -> Tensor:
        """What the kernel sees at every cell of ``(tracks, phrases, bars, steps + 2, pitches + 11, planes)``.

        ``(tracks, cells, planes * 36)``.
        """
        windows = padded.unfold(3, KERNEL[0], 1).unfold(4, KERNEL[1], 1)  # ..., planes, 3, 12
        return windows.reshape(len(padded), -1, self.plan.planes * TAPS)

    def _moments(self, padded: Tensor) -> Moments:
        return moments(self._windows(padded))

    def _given(self, padded: Tensor, weight: Tensor, bias: Tensor, second: Tensor) -> Tensor:
        """What is added to phrases: ``(tracks, phrases, bars, planes, steps, pitches)``."""
        tracks, phrases, bars, high, wide, planes = padded.shape
        steps, pitches = high - KERNEL[0] + 1, wide - KERNEL[1] + 1
        hidden = torch.relu_(product(self._windows(padded), weight, bias))
        # What every cell hands to the cells around it, and the sum of that: a convolution, turned inside out.
        given = torch.matmul(second, hidden.view(tracks, phrases * bars, steps * pitches, -1).transpose(-1, -2))
        summed = F.fold(given.flatten(0, 1), (high, wide), KERNEL).view(tracks, phrases, bars, planes, high, wide)
        # A cell's window lies mirrored to what it hands out.
        bottom, right = _AFTER
        return summed[..., bottom : bottom + steps, right : right + pitches]


class Refiner(nn.Module):
    """From preactivated outputs to what the neuron decides on, both ``(batch, channels, bars, steps, pitches)``."""

    def __init__(self, config: NetworkConfig, plan: Plan) -> None:
        super().__init__()
        self.plan = plan
        numbers = range(config.refiner)
        self.units = nn.Sequential(*(ResidualUnit(config, plan, number == numbers[-1]) for number in numbers))

    def forward(self, preactivated: Tensor) -> Tensor:
        """Refine: numbers whose sign the deterministic neuron looks at."""
        plan = self.plan
        x = preactivated.unflatten(1, (plan.planes, plan.tracks)).permute(2, 0, 3, 1, 4, 5)
        refined: Tensor = self.units(x)
        return refined.permute(1, 3, 0, 2, 4, 5).flatten(1, 2)
