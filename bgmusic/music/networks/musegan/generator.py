"""BinaryMuseGAN's generator (arXiv 1804.09399, section 4 and appendix A): shared, then private to each track."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from bgmusic.gan.layers import Scale
from bgmusic.music.networks.musegan.grouped import GroupedNormLinear, Moments, Norm, moments, product
from bgmusic.music.networks.musegan.merging import relu_merge
from bgmusic.music.networks.musegan.refiner import Refiner
from bgmusic.music.networks.pianoroll_config import NetworkConfig, PianorollConfig
from bgmusic.music.networks.sizes import OCTAVE, Plan
from bgmusic.music.rolls.shape import RollShape
from bgmusic.neurons import NEURONS
from bgmusic.training.protocols import SampleNetwork

SHARED = 64  # channels that every track's private network starts from
PRIVATE = 32  # channels of each of its two streams in the end


def widen(channels: int, width: float) -> int:
    """So many channels, times a config's ``width``."""
    return max(1, round(channels * width))


def _norm(kind: Norm, channels: int) -> nn.Module:
    return nn.BatchNorm3d(channels) if kind == "batch" else Scale(channels)


class SharedGenerator(nn.Module):
    """From noise ``(batch, latent)`` to ``(batch, 64, bars, beats * parts, octaves)``: what all tracks play on."""

    def __init__(self, config: NetworkConfig, plan: Plan) -> None:
        super().__init__()
        first = widen(config.first, config.width)
        a, b, c = (widen(channels, config.width) for channels in (256, 128, SHARED))
        layers: list[nn.Module] = [
            nn.Linear(config.latent, plan.bar_seeds * first, bias=False),
            nn.BatchNorm1d(plan.bar_seeds * first) if config.norm == "batch" else Scale(plan.bar_seeds * first),
            nn.ReLU(),
            nn.Unflatten(1, (plan.bar_seeds, first, 1, 1)),
        ]
        self.dense = nn.Sequential(*layers)
        shapes = (
            (first, a, (plan.bar_kernel, 1, 1), (1, 1, 1)),
            (a, b, (1, plan.beats, 1), (1, plan.beats, 1)),
            (b, b, (1, 1, plan.regions), (1, 1, plan.regions)),
            (b, c, (1, plan.parts, 1), (1, plan.parts, 1)),
            (c, c, (1, 1, plan.region_kernel), (1, 1, 2)),
        )
        layers = []
        for inputs, outputs, kernel, stride in shapes:
            # No bias: the norm's offset is one.
            layers += [
                nn.ConvTranspose3d(inputs, outputs, kernel, stride, bias=False),
                _norm(config.norm, outputs),
                nn.ReLU(),
            ]
        self.layers = nn.Sequential(*layers)

    def forward(self, noise: Tensor) -> Tensor:
        """What all tracks play on."""
        seeds: Tensor = self.dense(noise)
        shared: Tensor = self.layers(seeds.transpose(1, 2))
        return shared


class PrivateGenerator(nn.Module):
    """From the shared network's output to logits ``(batch, channels, bars, steps, pitches)``, each track for itself.

    Two streams, one that unfolds pitch before time and one the other way round, joined by a last layer.
    """

    def __init__(self, config: NetworkConfig, plan: Plan) -> None:
        super().__init__()
        self.plan = plan
        inputs, middle, last = (widen(channels, config.width) for channels in (SHARED, 64, PRIVATE))
        tracks, norm = plan.tracks, config.norm
        self.pitch_time = nn.ModuleList(
            [
                GroupedNormLinear(tracks, inputs, OCTAVE, middle, norm),
                GroupedNormLinear(tracks, middle, plan.ticks, last, norm),
            ]
        )
        self.time_pitch = nn.ModuleList(
            [
                GroupedNormLinear(tracks, inputs, plan.ticks, middle, norm),
                GroupedNormLinear(tracks, middle, OCTAVE, last, norm),
            ]
        )
        # One layer on both streams' channels is a sum of two, each on its own stream before it is put in order.
        self.merge_pitch_time = nn.Parameter(torch.empty(tracks, last, plan.planes))
        self.merge_time_pitch = nn.Parameter(torch.empty(tracks, last, plan.planes))
        for weight in (self.merge_pitch_time, self.merge_time_pitch):
            bound = (2 * last) ** -0.5
            nn.init.uniform_(weight, -bound, bound)
        self.norm = _norm(norm, plan.channels)

    def forward(self, shared: Tensor) -> Tensor:
        """Logits: real numbers."""
        plan = self.plan
        batch = len(shared)
        cells = shared.permute(0, 2, 3, 4, 1).flatten(0, 3)
        cells = cells.unsqueeze(0)  # the same for all tracks
        # (tracks, batch * bars, beats * parts, octaves, first unfolded, second unfolded, planes)
        where = (plan.tracks, batch, plan.bars, plan.beats * plan.parts, plan.octaves)
        pitch_time = self._stream(self.pitch_time, cells, self.merge_pitch_time)
        pitch_time = pitch_time.view(*where, OCTAVE, plan.ticks, plan.planes)
        time_pitch = self._stream(self.time_pitch, cells, self.merge_time_pitch)
        time_pitch = time_pitch.view(*where, plan.ticks, OCTAVE, plan.planes).transpose(-3, -2)
        both = pitch_time + time_pitch
        # -> batch, planes, tracks, bars, (beats * parts, ticks), (octaves, 12)
        rolls = both.permute(1, 7, 0, 2, 3, 6, 4, 5).reshape(batch, plan.channels, plan.bars, plan.steps, plan.rows)
        logits: Tensor = self.norm(rolls[..., : plan.pitches])
        return logits

    @staticmethod
    def _stream(layers: nn.ModuleList, cells: Tensor, merge: Tensor) -> Tensor:
        first, second = cast("Sequence[GroupedNormLinear]", layers)
        weight, bias = first.folded(cells)
        cells, of_cells = unfold(cells, weight, bias, first.weight.shape[2], second.follows)
        weight, bias = second.folded_by(of_cells, cells.shape[1])
        return relu_merge(cells, weight, bias, merge)


def unfold(x: Tensor, weight: Tensor, bias: Tensor, taps: int, wanted: bool) -> tuple[Tensor, Moments | None]:
    """Apply ``relu(bias + x weight)`` for every track and cut the result into taps.

    Args:
        x: ``(tracks, rows, inputs)``; 1 for ``tracks`` if all tracks share the input.
        weight: ``(tracks, inputs, taps * channels)``.
        bias: ``(tracks, 1, taps * channels)``.
        taps: cells that each row becomes.
        wanted: also return the moments of the cells.

    Returns:
        Cells ``(tracks, rows * taps, channels)``, and their :func:`moments` or None.

    """
    rows = product(x.expand(len(weight), -1, -1), weight, bias)
    # In place before the view: after it, autograd would write the gradient three times.
    cells = torch.relu_(rows).view(len(weight), x.shape[1] * taps, -1)
    return cells, moments(cells) if wanted else None


class Generator(SampleNetwork):
    """From noise ``(batch, latent)`` to phrases ``(batch, channels, bars, steps, pitches)`` through a binary neuron.

    ``channels`` are the tracks' cells, then (lossless encoding) their onsets, as :meth:`Roll.channels` stacks them.
    With a refiner, the networks' preactivated outputs pass it before the neuron decides. Under the strategy
    ``two-stage`` only the refiner learns.
    """

    def __init__(self, config: PianorollConfig, shape: RollShape) -> None:
        super().__init__()
        settings = config.network
        if not isinstance(settings, NetworkConfig):
            raise TypeError("BinaryMuseGAN's generator needs a NetworkConfig")
        plan = Plan.of(shape)
        self.latent = settings.latent
        self.body = nn.Sequential(SharedGenerator(settings, plan), PrivateGenerator(settings, plan))
        self.refiner = Refiner(settings, plan) if settings.refiner else None
        self.neuron = NEURONS[config.neuron](config.estimator)
        self.fixed = config.strategy == "two-stage"
        if self.fixed:
            self.body.requires_grad_(False)

    def train(self, mode: bool = True) -> Generator:
        """Set the mode; what is fixed stays in evaluation mode, so that its statistics stay as they are too."""
        super().train(mode)
        if self.fixed:
            self.body.eval()
        return self

    def logits(self, noise: Tensor) -> Tensor:
        """What the neuron thresholds: real numbers of the phrases' shape."""
        logits: Tensor = self.body(noise)
        return self.refiner(torch.sigmoid(logits)) if self.refiner else logits

    def preactivated(self, noise: Tensor) -> Tensor:
        """Preactivated outputs in [0, 1], of the phrases' shape."""
        return self.neuron.preactivate(self.logits(noise))

    def forward(self, noise: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Phrases; ``generator`` feeds a stochastic neuron."""
        phrases: Tensor = self.neuron(self.logits(noise), generator)
        return phrases
