"""BinaryMuseGAN's generator (arXiv 1804.09399, section 4 and appendix A): a shared network, then one per track."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from bgmusic.gan.layers import Scale
from bgmusic.music.networks.checks import check_noise
from bgmusic.music.networks.musegan.grouped import GroupedNormLinear, Moments, Norm, grouped_linear, moments
from bgmusic.music.networks.musegan.refiner import Refiner
from bgmusic.music.networks.musegan.relu_merge import relu_merge
from bgmusic.music.networks.musegan.sizes import OCTAVE, MuseGANSizes
from bgmusic.music.networks.pianoroll_config import MuseGANConfig, PianorollConfig
from bgmusic.music.rolls.shape import RollShape
from bgmusic.neurons import NEURONS, SBN
from bgmusic.training.protocols import SampleNetwork

SHARED = 64  # channels of the shared network's output, the input of every track's private network
PRIVATE = 32  # channels at the end of each of its two streams


def widen(channels: int, width: float) -> int:
    """Return a number of channels of the paper, scaled by a config's ``width``."""
    return max(1, round(channels * width))


def _norm(kind: Norm, channels: int) -> nn.Module:
    return nn.BatchNorm3d(channels) if kind == "batch" else Scale(channels)


_Size = tuple[int, int, int]


class _Unfold(nn.ConvTranspose3d):
    """A transposed convolution without bias, since the norm that follows has an offset; a narrow one is float32.

    oneDNN 3.12, torch 2.13's library for CPUs, computes strided bfloat16 convolutions of up to 16 channels wrongly
    where the CPU has AMX: the result's correlation with the right one is 0.1 to 0.4 (0.999 from 32 channels on). In
    the backward pass this layer is such a convolution.
    """

    def __init__(self, inputs: int, outputs: int, kernel: _Size, stride: _Size) -> None:
        super().__init__(inputs, outputs, kernel, stride, bias=False)

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Apply the layer."""
        if x.device.type != "cpu" or min(self.in_channels, self.out_channels) >= 32:
            return super().forward(x, output_size)
        with torch.autocast("cpu", enabled=False):
            return super().forward(x.to(self.weight.dtype), output_size)


class SharedGenerator(nn.Module):
    """The network that all tracks share: noise ``(batch, latent)`` to ``(batch, 64, bars, beats * parts, octaves)``."""

    def __init__(self, config: MuseGANConfig, sizes: MuseGANSizes) -> None:
        super().__init__()
        beats, first = sizes.shape.beats, widen(config.first, config.width)
        a, b, c = (widen(channels, config.width) for channels in (256, 128, SHARED))
        layers: list[nn.Module] = [
            nn.Linear(config.latent, sizes.bar_seeds * first, bias=False),
            nn.BatchNorm1d(sizes.bar_seeds * first) if config.norm == "batch" else Scale(sizes.bar_seeds * first),
            nn.ReLU(),
            nn.Unflatten(1, (sizes.bar_seeds, first, 1, 1)),
        ]
        self.dense = nn.Sequential(*layers)
        shapes = (
            (first, a, (sizes.bar_kernel, 1, 1), (1, 1, 1)),
            (a, b, (1, beats, 1), (1, beats, 1)),
            (b, b, (1, 1, sizes.regions), (1, 1, sizes.regions)),
            (b, c, (1, sizes.parts, 1), (1, sizes.parts, 1)),
            (c, c, (1, 1, sizes.region_kernel), (1, 1, 2)),
        )
        layers = []
        for inputs, outputs, kernel, stride in shapes:
            layers += [_Unfold(inputs, outputs, kernel, stride), _norm(config.norm, outputs), nn.ReLU()]
        self.layers = nn.Sequential(*layers)

    def forward(self, noise: Tensor) -> Tensor:
        """Return the private networks' input."""
        seeds: Tensor = self.dense(noise)
        shared: Tensor = self.layers(seeds.transpose(1, 2))
        return shared


class PrivateGenerator(nn.Module):
    """The tracks' private networks: the shared output to logits ``(batch, channels, bars, steps, pitches)``.

    Two streams, one that unfolds pitch before time and one that unfolds time before pitch, joined by a last layer.
    """

    def __init__(self, config: MuseGANConfig, sizes: MuseGANSizes) -> None:
        super().__init__()
        self.sizes = sizes
        inputs, middle, last = (widen(channels, config.width) for channels in (SHARED, 64, PRIVATE))
        tracks, planes, norm = sizes.tracks, sizes.shape.planes, config.norm
        self.pitch_time = nn.ModuleList(
            [
                GroupedNormLinear(tracks, inputs, OCTAVE, middle, norm),
                GroupedNormLinear(tracks, middle, sizes.ticks, last, norm),
            ]
        )
        self.time_pitch = nn.ModuleList(
            [
                GroupedNormLinear(tracks, inputs, sizes.ticks, middle, norm),
                GroupedNormLinear(tracks, middle, OCTAVE, last, norm),
            ]
        )
        # The last layer, on the channels of both streams, as a sum of two.
        self.merge_pitch_time = nn.Parameter(torch.empty(tracks, last, planes))
        self.merge_time_pitch = nn.Parameter(torch.empty(tracks, last, planes))
        for weight in (self.merge_pitch_time, self.merge_time_pitch):
            bound = (2 * last) ** -0.5
            nn.init.uniform_(weight, -bound, bound)
        self.norm = _norm(norm, sizes.shape.channels)

    def forward(self, shared: Tensor) -> Tensor:
        """Return logits: real numbers."""
        sizes, shape, batch = self.sizes, self.sizes.shape, len(shared)
        cells = shared.permute(0, 2, 3, 4, 1).flatten(0, 3)
        cells = cells.unsqueeze(0)  # shared by all tracks
        # (tracks, batch * bars, beats * parts, octaves, first unfolded, second unfolded, planes)
        where = (sizes.tracks, batch, shape.bars, shape.beats * sizes.parts, sizes.octaves)
        pitch_time = self._stream(self.pitch_time, cells, self.merge_pitch_time)
        pitch_time = pitch_time.view(*where, OCTAVE, sizes.ticks, shape.planes)
        time_pitch = self._stream(self.time_pitch, cells, self.merge_time_pitch)
        time_pitch = time_pitch.view(*where, sizes.ticks, OCTAVE, shape.planes).transpose(-3, -2)
        both = pitch_time + time_pitch
        # -> batch, planes, tracks, bars, (beats * parts, ticks), (octaves, 12)
        rolls = both.permute(1, 7, 0, 2, 3, 6, 4, 5)
        rolls = rolls.reshape(batch, shape.channels, shape.bars, shape.steps, sizes.rows)
        logits: Tensor = self.norm(rolls[..., : shape.pitches])
        return logits

    @staticmethod
    def _stream(layers: nn.ModuleList, cells: Tensor, merge: Tensor) -> Tensor:
        first, second = cast("Sequence[GroupedNormLinear]", layers)
        weight, bias = first.fold(cells)
        cells, of_cells = unfold(cells, weight, bias, first.weight.shape[2], second.uses_batch_statistics)
        weight, bias = second.fold_moments(of_cells, cells.shape[1])
        return relu_merge(cells, weight, bias, merge)


def unfold(x: Tensor, weight: Tensor, bias: Tensor, taps: int, wanted: bool) -> tuple[Tensor, Moments | None]:
    """Apply ``relu(bias + x weight)`` for every track and cut the result into taps.

    Args:
        x: ``(tracks, rows, inputs)``; 1 for ``tracks`` if all tracks share the input.
        weight: ``(tracks, inputs, taps * channels)``.
        bias: ``(tracks, 1, taps * channels)``.
        taps: cells that each row becomes.
        wanted: whether to return the moments of the cells too.

    Returns:
        Cells ``(tracks, rows * taps, channels)``; their :func:`moments`, or None.

    """
    rows = grouped_linear(x.expand(len(weight), -1, -1), weight, bias)
    # In place before the view: after it, autograd would write the gradient three times.
    cells = torch.relu_(rows).view(len(weight), x.shape[1] * taps, -1)
    return cells, moments(cells) if wanted else None


class Generator(SampleNetwork):
    """Generate phrases ``(batch, channels, bars, steps, pitches)`` from noise ``(batch, latent)`` by a binary neuron.

    ``channels`` are the tracks' cells, then (onset encoding) their onsets, as :meth:`Roll.channels` stacks them. A
    refiner, if there is one, turns preactivated outputs into the neuron's input. Under the strategy ``two-stage`` only
    the refiner learns.

    Raises:
        TypeError: the config is one of another network.

    """

    def __init__(self, config: PianorollConfig, shape: RollShape) -> None:
        super().__init__()
        settings = config.network
        if not isinstance(settings, MuseGANConfig):
            raise TypeError("BinaryMuseGAN's generator needs a MuseGANConfig")
        sizes = MuseGANSizes(shape)
        self.latent, self.shape = settings.latent, shape
        self.body = nn.Sequential(SharedGenerator(settings, sizes), PrivateGenerator(settings, sizes))
        self.refiner = Refiner(settings, sizes) if settings.refiner else None
        self.neuron = NEURONS[config.neuron](config.estimator)
        self.fixed = config.strategy == "two-stage"
        if self.fixed:
            self.body.requires_grad_(False)

    def train(self, mode: bool = True) -> Generator:
        """Set the mode. A fixed body stays in evaluation mode, so that its running statistics stay too."""
        super().train(mode)
        if self.fixed:
            self.body.eval()
        return self

    def logits(self, noise: Tensor) -> Tensor:
        """Return the neuron's input: real numbers of the phrases' shape."""
        check_noise(noise, self.latent)
        logits: Tensor = self.body(noise)
        return self.refiner(torch.sigmoid(logits)) if self.refiner else logits

    def preactivated(self, noise: Tensor) -> Tensor:
        """Return preactivated outputs in [0, 1], of the phrases' shape."""
        return self.neuron.preactivate(self.logits(noise))

    @property
    def threshold_shape(self) -> tuple[int, ...] | None:
        """Shape of a phrase for a stochastic neuron, else None."""
        shape = self.shape
        planes = (shape.channels, shape.bars, shape.steps, shape.pitches)
        return planes if isinstance(self.neuron, SBN) else None

    def forward(
        self, noise: Tensor, generator: torch.Generator | None = None, thresholds: Tensor | None = None
    ) -> Tensor:
        """Generate phrases; a stochastic neuron draws from ``generator``, or takes thresholds of the phrases' shape."""
        phrases: Tensor = self.neuron(self.logits(noise), generator, thresholds)
        return phrases
