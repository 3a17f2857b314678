"""BinaryMuseGAN's discriminator (arXiv 1804.09399, section 4 and appendix A) and its two ablated forms.

All convolutions are matrix products of patches. A gradient penalty differentiates them twice: a product's second
derivative is as fast as its first, but that of a grouped convolution is a loop over its groups.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bgmusic.gan.layers import LeakyReLU
from bgmusic.music.networks.checks import check_shape
from bgmusic.music.networks.musegan.generator import widen
from bgmusic.music.networks.musegan.grouped import GroupedLinear, overlapping, patches
from bgmusic.music.networks.musegan.silent_pieces import drop_silent_pieces
from bgmusic.music.networks.musegan.sizes import OCTAVE, MuseGANSizes
from bgmusic.music.networks.pianoroll_config import MuseGANConfig
from bgmusic.music.rolls.shape import RollShape


class Patches(nn.Module):
    """A convolution over ``(..., steps, pitches, inputs)`` whose kernel equals its stride, with a leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, steps: int = 1, pitches: int = 1) -> None:
        super().__init__()
        self.steps, self.pitches = steps, pitches
        self.linear = nn.Linear(inputs * steps * pitches, outputs)
        self.leak = LeakyReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(..., steps / kernel, pitches / kernel, outputs)``."""
        return self.cells(patches(x, self.steps, self.pitches))

    def cells(self, x: Tensor) -> Tensor:
        """Apply the layer to patches."""
        cells: Tensor = self.leak(self.linear(x))
        return cells


class Regions(nn.Module):
    """A convolution over octaves ``(..., steps, octaves, inputs)`` with stride 2 and the sizes' kernel; leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, steps: int, sizes: MuseGANSizes) -> None:
        super().__init__()
        self.kernel = sizes.region_kernel
        self.patches = Patches(inputs * self.kernel, outputs, steps)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(..., steps / kernel, regions, outputs)``."""
        cells: Tensor = self.patches(overlapping(x, -2, self.kernel, 2))
        return cells


class Bars(nn.Module):
    """The last layers: join neighbouring bars, then score. ``(batch, bars, inputs)`` to ``(batch, 1)``."""

    def __init__(self, inputs: int, outputs: int, sizes: MuseGANSizes) -> None:
        super().__init__()
        self.kernel = sizes.bar_kernel
        self.joined = nn.Sequential(nn.Linear(self.kernel * inputs, outputs), LeakyReLU())
        self.score = nn.Linear(sizes.bar_seeds * outputs, 1)

    def forward(self, bars: Tensor) -> Tensor:
        """Return scores."""
        scores: Tensor = self.score(self.joined(overlapping(bars, 1, self.kernel, 1)).flatten(1))
        return scores


class MainStream(nn.Module):
    """Private networks of the tracks, two streams each, then a shared one: ``(batch, bars, 256)``."""

    def __init__(self, width: float, sizes: MuseGANSizes) -> None:
        super().__init__()
        self.sizes = sizes
        a, b, c, self.outputs = (widen(channels, width) for channels in (32, 64, 128, 256))
        tracks, ticks, planes = sizes.tracks, sizes.ticks, sizes.shape.planes
        self.pitch_time = nn.Sequential(
            *(GroupedLinear(tracks, OCTAVE * planes, a), LeakyReLU(), nn.Flatten(-2)),
            *(GroupedLinear(tracks, ticks * a, b), LeakyReLU()),
        )
        self.time_pitch = nn.Sequential(
            *(GroupedLinear(tracks, ticks * planes, a), LeakyReLU(), nn.Flatten(-2)),
            *(GroupedLinear(tracks, OCTAVE * a, b), LeakyReLU()),
        )
        # The next layer, on the channels of both streams, as a sum of two: this saves a concatenation.
        self.merge_pitch_time = GroupedLinear(tracks, b, b, fan_in=2 * b)
        self.merge_time_pitch = GroupedLinear(tracks, b, b, fan_in=2 * b, bias=False)
        self.leak = LeakyReLU()
        self.shared = nn.Sequential(
            Regions(tracks * b, c, sizes.parts, sizes), Patches(c, self.outputs, sizes.shape.beats, sizes.regions)
        )

    def forward(self, rolls: Tensor) -> Tensor:
        """Return one vector per bar of rolls ``(batch, planes, tracks, bars, steps, rows)``."""
        # Cut into pieces of (ticks, 12) at once, while there are few channels, so that the inputs of each layer are
        # contiguous. -> tracks, batch, bars, beats * parts, octaves, ticks, 12, planes
        pieces = rolls.unflatten(-1, (-1, OCTAVE)).unflatten(-3, (-1, self.sizes.ticks))
        pieces = pieces.permute(2, 0, 3, 4, 6, 5, 7, 1)
        grid = pieces.shape[:5]
        pieces, places = drop_silent_pieces(pieces.flatten(1, 4))
        features, (regions, last) = self.private(pieces), cast("tuple[Regions, Patches]", tuple(self.shared))
        if features.device.type == "cpu":
            joined = regions.patches.cells(self._windows(features, places, grid))
        else:  # on a GPU the gradient of index_select is a sum in no certain order
            joined = regions(features.view(*grid, -1).permute(1, 2, 3, 4, 0, 5).flatten(-2))
        bars: Tensor = last(joined)
        return bars.flatten(2)

    def _windows(self, features: Tensor, places: Tensor | None, grid: tuple[int, ...]) -> Tensor:
        """Gather the inputs of the shared network's first layer, ``(batch, bars, beats, regions, joined)``.

        Args:
            features: of the kept pieces, ``(tracks, kept, channels)``.
            places: for each piece its place among the kept ones, ``(tracks, count)``; None if all are kept.
            grid: ``(tracks, batch, bars, beats * parts, octaves)``, the arrangement of all pieces.

        """
        tracks, kept, channels = features.shape
        numbers = torch.arange(tracks * kept, device=features.device)
        if places is not None:
            numbers = places + numbers[::kept].unsqueeze(1)
        octaves = numbers.view(grid).unflatten(3, (self.sizes.shape.beats, self.sizes.parts))
        windows = octaves.unfold(-1, self.sizes.region_kernel, 2)  # tracks, batch, bars, beats, parts, regions, octaves
        order = windows.permute(1, 2, 3, 5, 4, 6, 0)
        # In one copy, since each pass over the windows takes as long as a layer of the private networks.
        return features.view(-1, channels).index_select(0, order.flatten()).view(*order.shape[:4], -1)

    def private(self, pieces: Tensor) -> Tensor:
        """Apply the private networks: ``(tracks, count, ticks, 12, planes)`` to ``(tracks, count, channels)``."""
        pitch_time = self.pitch_time(pieces.flatten(-2))
        time_pitch = self.time_pitch(pieces.transpose(-3, -2).flatten(-2))
        both: Tensor = self.leak(self.merge_pitch_time(pitch_time) + self.merge_time_pitch(time_pitch))
        return both


class OnsetStream(nn.Module):
    """The onset/offset stream: ``(batch, bars, 128)``.

    Its input is the change of each track's number of notes from step to step. Every cell of a drum track is a hit, so
    drums enter by their number of notes. In the onset encoding the number of onsets of each track is added.
    """

    drums: Tensor

    def __init__(self, width: float, sizes: MuseGANSizes) -> None:
        super().__init__()
        a, b, self.outputs = (widen(channels, width) for channels in (32, 64, 128))
        self.register_buffer("drums", torch.tensor(sizes.shape.drums).view(-1, 1, 1), persistent=False)
        self.layers = nn.Sequential(
            Patches(sizes.shape.channels, a, sizes.ticks),
            Patches(a, b, sizes.parts),
            Patches(b, self.outputs, sizes.shape.beats),
        )

    def view(self, rolls: Tensor) -> Tensor:
        """Return the stream's input, ``(batch, channels, bars, steps)``.

        Args:
            rolls: ``(batch, planes, tracks, bars, steps, rows)``.

        """
        sounding = rolls.sum(-1)
        cells = sounding[:, 0]
        # Across bar lines: a note that is held over one does not begin there.
        before = F.pad(cells.flatten(-2), (1, -1)).view_as(cells)
        moves = cells - before.masked_fill(self.drums, 0)
        return torch.cat([moves.unsqueeze(1), sounding[:, 1:]], 1).flatten(1, 2)

    def forward(self, rolls: Tensor) -> Tensor:
        """Return one vector per bar."""
        bars: Tensor = self.layers(self.view(rolls).permute(0, 2, 3, 1).unsqueeze(-2))
        return bars.flatten(2)


class ChromaStream(nn.Module):
    """The chroma stream: ``(batch, bars, 128)``.

    Its input is the cells of each track, summed over the steps of a beat and over octaves. (The original code sums
    neighbouring pitches instead.)
    """

    def __init__(self, width: float, sizes: MuseGANSizes) -> None:
        super().__init__()
        self.sizes = sizes
        a, self.outputs = (widen(channels, width) for channels in (64, 128))
        self.layers = nn.Sequential(
            Patches(sizes.tracks, a, pitches=OCTAVE), Patches(a, self.outputs, steps=sizes.shape.beats)
        )

    def view(self, rolls: Tensor) -> Tensor:
        """Return the stream's input, ``(batch, tracks, bars, beats, 12)``, with pitch class C first.

        Args:
            rolls: ``(batch, planes, tracks, bars, steps, rows)``.

        """
        beats = rolls[:, 0].unflatten(-2, (self.sizes.shape.beats, -1)).sum(-2)
        classes = beats.unflatten(-1, (self.sizes.octaves, OCTAVE)).sum(-2)
        # The lowest row of a grid may be another pitch class.
        return torch.roll(classes, self.sizes.shape.track_set.low % OCTAVE, -1)

    def forward(self, rolls: Tensor) -> Tensor:
        """Return one vector per bar."""
        bars: Tensor = self.layers(self.view(rolls).permute(0, 2, 3, 4, 1))
        return bars.flatten(2)


class SharedStream(nn.Module):
    """The single network of the ablated form II, shared by all tracks: ``(batch, bars, 512)``."""

    def __init__(self, width: float, sizes: MuseGANSizes) -> None:
        super().__init__()
        a, b, self.outputs = (widen(channels, width) for channels in (128, 256, 512))
        self.layers = nn.Sequential(
            Patches(sizes.shape.channels, a, pitches=OCTAVE),
            Regions(a, a, 1, sizes),
            Patches(a, b, sizes.ticks),
            Patches(b, b, sizes.parts),
            Patches(b, self.outputs, pitches=sizes.regions),
            Patches(self.outputs, self.outputs, sizes.shape.beats),
        )

    def forward(self, rolls: Tensor) -> Tensor:
        """Return one vector per bar of rolls ``(batch, planes, tracks, bars, steps, rows)``."""
        bars: Tensor = self.layers(rolls.flatten(1, 2).permute(0, 2, 3, 4, 1))
        return bars.flatten(2)


class Discriminator(nn.Module):
    """Score phrases ``(batch, channels, bars, steps, pitches)``: ``(batch, 1)``."""

    def __init__(self, config: MuseGANConfig, shape: RollShape) -> None:
        super().__init__()
        self.sizes = sizes = MuseGANSizes(shape)
        width = config.width
        streams: list[MainStream | OnsetStream | ChromaStream | SharedStream]
        if config.discriminator == "ablated-2":
            streams = [SharedStream(width, sizes)]
        else:
            streams = [MainStream(width, sizes)]
            if config.discriminator == "full":
                streams += [OnsetStream(width, sizes), ChromaStream(width, sizes)]
        self.streams = nn.ModuleList(streams)
        joined = widen(1024 if config.discriminator == "ablated-2" else 512, width)
        self.bars = Bars(sum(stream.outputs for stream in streams), joined, sizes)

    def forward(self, phrases: Tensor) -> Tensor:
        """Return scores: real numbers ``(batch, 1)``.

        Raises:
            TypeError, ValueError: the phrases have another type or shape.

        """
        sizes, shape = self.sizes, self.sizes.shape
        check_shape(phrases, shape)
        if sizes.rows > shape.pitches:  # silence above the highest row, up to whole octaves
            phrases = F.pad(phrases, (0, sizes.rows - shape.pitches))
        rolls = phrases.unflatten(1, (shape.planes, sizes.tracks))
        scores: Tensor = self.bars(torch.cat([stream(rolls) for stream in self.streams], -1))
        return scores
