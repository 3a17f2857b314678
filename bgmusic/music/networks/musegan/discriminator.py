"""BinaryMuseGAN's discriminator (arXiv 1804.09399, section 4 and appendix A) and its two ablated forms.

All convolutions are matrix products of patches: a gradient penalty differentiates them twice, which costs a product
no more than once, but a grouped convolution a loop over its groups.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bgmusic.gan.layers import LeakyReLU
from bgmusic.music.networks.musegan.generator import widen
from bgmusic.music.networks.musegan.grouped import GroupedLinear, overlapping, patches
from bgmusic.music.networks.musegan.silence import one_silence
from bgmusic.music.networks.pianoroll_config import NetworkConfig
from bgmusic.music.networks.sizes import OCTAVE, Plan
from bgmusic.music.rolls.shape import RollShape


class Patches(nn.Module):
    """A convolution over ``(..., steps, pitches, inputs)`` whose kernel equals its stride, with a leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, steps: int = 1, pitches: int = 1) -> None:
        super().__init__()
        self.steps, self.pitches = steps, pitches
        self.linear = nn.Linear(inputs * steps * pitches, outputs)
        self.leak = LeakyReLU()

    def forward(self, x: Tensor) -> Tensor:
        """``(..., steps, pitches, outputs)``, both divided by the kernel's."""
        return self.cells(patches(x, self.steps, self.pitches))

    def cells(self, x: Tensor) -> Tensor:
        """The same, of patches."""
        cells: Tensor = self.leak(self.linear(x))
        return cells


class Regions(nn.Module):
    """A convolution over octaves ``(..., steps, octaves, inputs)`` with stride 2 and the plan's kernel; leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, steps: int, plan: Plan) -> None:
        super().__init__()
        self.kernel = plan.region_kernel
        self.patches = Patches(inputs * self.kernel, outputs, steps)

    def forward(self, x: Tensor) -> Tensor:
        """``(..., steps, regions, outputs)``, the steps divided by the kernel's."""
        cells: Tensor = self.patches(overlapping(x, -2, self.kernel, 2))
        return cells


class Bars(nn.Module):
    """The last layers: neighbouring bars joined, then a score. ``(batch, bars, inputs)`` to ``(batch, 1)``."""

    def __init__(self, inputs: int, outputs: int, plan: Plan) -> None:
        super().__init__()
        self.kernel = plan.bar_kernel
        self.joined = nn.Sequential(nn.Linear(self.kernel * inputs, outputs), LeakyReLU())
        self.score = nn.Linear(plan.bar_seeds * outputs, 1)

    def forward(self, bars: Tensor) -> Tensor:
        """Scores."""
        scores: Tensor = self.score(self.joined(overlapping(bars, 1, self.kernel, 1)).flatten(1))
        return scores


class MainStream(nn.Module):
    """Private networks of two streams each, then a shared one: ``(batch, bars, 256)``."""

    def __init__(self, width: float, plan: Plan) -> None:
        super().__init__()
        self.plan = plan
        a, b, c, self.outputs = (widen(channels, width) for channels in (32, 64, 128, 256))
        tracks, ticks, planes = plan.tracks, plan.ticks, plan.planes
        self.pitch_time = nn.Sequential(
            *(GroupedLinear(tracks, OCTAVE * planes, a), LeakyReLU(), nn.Flatten(-2)),
            *(GroupedLinear(tracks, ticks * a, b), LeakyReLU()),
        )
        self.time_pitch = nn.Sequential(
            *(GroupedLinear(tracks, ticks * planes, a), LeakyReLU(), nn.Flatten(-2)),
            *(GroupedLinear(tracks, OCTAVE * a, b), LeakyReLU()),
        )
        # One layer on both streams' channels, as a sum of two: nothing has to be copied side by side.
        self.merge_pitch_time = GroupedLinear(tracks, b, b, fan_in=2 * b)
        self.merge_time_pitch = GroupedLinear(tracks, b, b, fan_in=2 * b, bias=False)
        self.leak = LeakyReLU()
        self.shared = nn.Sequential(
            Regions(tracks * b, c, plan.parts, plan), Patches(c, self.outputs, plan.beats, plan.regions)
        )

    def forward(self, rolls: Tensor) -> Tensor:
        """One vector a bar, of rolls ``(batch, planes, tracks, bars, steps, rows)``."""
        plan = self.plan
        # Cut into pieces of (ticks, 12) at once, while there are few channels: what each layer joins then lies
        # together. -> tracks, batch, bars, beats * parts, octaves, ticks, 12, planes
        pieces = rolls.unflatten(-1, (-1, OCTAVE)).unflatten(-3, (-1, plan.ticks)).permute(2, 0, 3, 4, 6, 5, 7, 1)
        where = pieces.shape[:5]
        pieces, places = one_silence(pieces.flatten(1, 4))
        found, (regions, last) = self.private(pieces), cast("tuple[Regions, Patches]", tuple(self.shared))
        if found.device.type == "cpu":
            joined = regions.patches.cells(self._windows(found, places, where))
        else:  # where a selection's gradient is a sum in no certain order
            joined = regions(found.view(*where, -1).permute(1, 2, 3, 4, 0, 5).flatten(-2))
        bars: Tensor = last(joined)
        return bars.flatten(2)

    def _windows(self, found: Tensor, places: Tensor | None, where: tuple[int, ...]) -> Tensor:
        """What the shared network's first layer joins, ``(batch, bars, beats, regions, joined)``.

        Args:
            found: of pieces, ``(tracks, kept, channels)``.
            places: of all pieces among those kept, ``(tracks, count)``; None for their order.
            where: ``(tracks, batch, bars, beats * parts, octaves)``, the shape of all pieces.

        """
        tracks, kept, channels = found.shape
        numbers = torch.arange(tracks * kept, device=found.device)
        if places is not None:
            numbers = places + numbers[::kept].unsqueeze(1)
        octaves = numbers.view(where).unflatten(3, (self.plan.beats, self.plan.parts))
        windows = octaves.unfold(-1, self.plan.region_kernel, 2)  # tracks, batch, bars, beats, parts, regions, octaves
        order = windows.permute(1, 2, 3, 5, 4, 6, 0)
        # All at once, since each pass over these takes as long as a layer of the private networks.
        return found.view(-1, channels).index_select(0, order.flatten()).view(*order.shape[:4], -1)

    def private(self, pieces: Tensor) -> Tensor:
        """What private networks make of ``(tracks, count, ticks, 12, planes)``: ``(tracks, count, channels)``."""
        pitch_time = self.pitch_time(pieces.flatten(-2))
        time_pitch = self.time_pitch(pieces.transpose(-3, -2).flatten(-2))
        both: Tensor = self.leak(self.merge_pitch_time(pitch_time) + self.merge_time_pitch(time_pitch))
        return both


class OnsetStream(nn.Module):
    """When notes begin and end: ``(batch, bars, 128)``.

    Each track's cells are subtracted from those a step later and summed over pitch; drums, whose every cell is a
    hit, are summed as they are. In the lossless encoding the onsets of each track, summed over pitch, stand beside.
    """

    still: Tensor

    def __init__(self, width: float, plan: Plan) -> None:
        super().__init__()
        a, b, self.outputs = (widen(channels, width) for channels in (32, 64, 128))
        self.register_buffer("still", torch.tensor(plan.drums).view(-1, 1, 1), persistent=False)
        self.layers = nn.Sequential(
            Patches(plan.channels, a, plan.ticks), Patches(a, b, plan.parts), Patches(b, self.outputs, plan.beats)
        )

    def view(self, rolls: Tensor) -> Tensor:
        """What the stream sees of ``(batch, planes, tracks, bars, steps, rows)``.

        ``(batch, channels, bars, steps)``.
        """
        sounding = rolls.sum(-1)
        cells = sounding[:, 0]
        # Through the whole phrase: a note that is held over a bar line does not begin there.
        before = F.pad(cells.flatten(-2), (1, -1)).view_as(cells)
        moves = cells - before.masked_fill(self.still, 0)
        return torch.cat([moves.unsqueeze(1), sounding[:, 1:]], 1).flatten(1, 2)

    def forward(self, rolls: Tensor) -> Tensor:
        """One vector a bar."""
        bars: Tensor = self.layers(self.view(rolls).permute(0, 2, 3, 1).unsqueeze(-2))
        return bars.flatten(2)


class ChromaStream(nn.Module):
    """Which pitch classes sound in each beat: ``(batch, bars, 128)``.

    Of each track, cells summed over the beat's steps and over octaves. (The original's code sums runs of
    neighbouring pitches instead.)
    """

    def __init__(self, width: float, plan: Plan) -> None:
        super().__init__()
        self.plan = plan
        a, self.outputs = (widen(channels, width) for channels in (64, 128))
        self.layers = nn.Sequential(Patches(plan.tracks, a, pitches=OCTAVE), Patches(a, self.outputs, steps=plan.beats))

    def view(self, rolls: Tensor) -> Tensor:
        """What the stream sees, of ``(batch, planes, tracks, bars, steps, rows)``.

        ``(batch, tracks, bars, beats, 12)``, pitch class 0 (C) first.
        """
        plan = self.plan
        beats = rolls[:, 0].unflatten(-2, (plan.beats, -1)).sum(-2)
        classes = beats.unflatten(-1, (plan.octaves, OCTAVE)).sum(-2)
        # The lowest row is no C on every grid.
        return torch.roll(classes, plan.low % OCTAVE, -1)

    def forward(self, rolls: Tensor) -> Tensor:
        """One vector a bar."""
        bars: Tensor = self.layers(self.view(rolls).permute(0, 2, 3, 4, 1))
        return bars.flatten(2)


class SharedStream(nn.Module):
    """The ablated-II form's one network, shared by all tracks from the first layer on: ``(batch, bars, 512)``."""

    def __init__(self, width: float, plan: Plan) -> None:
        super().__init__()
        a, b, self.outputs = (widen(channels, width) for channels in (128, 256, 512))
        self.layers = nn.Sequential(
            Patches(plan.channels, a, pitches=OCTAVE),
            Regions(a, a, 1, plan),
            Patches(a, b, plan.ticks),
            Patches(b, b, plan.parts),
            Patches(b, self.outputs, pitches=plan.regions),
            Patches(self.outputs, self.outputs, plan.beats),
        )

    def forward(self, rolls: Tensor) -> Tensor:
        """One vector a bar, of rolls ``(batch, planes, tracks, bars, steps, rows)``."""
        bars: Tensor = self.layers(rolls.flatten(1, 2).permute(0, 2, 3, 4, 1))
        return bars.flatten(2)


class Discriminator(nn.Module):
    """From phrases ``(batch, channels, bars, steps, pitches)`` to one score each, ``(batch, 1)``."""

    def __init__(self, config: NetworkConfig, shape: RollShape) -> None:
        super().__init__()
        self.plan = plan = Plan.of(shape)
        width = config.width
        streams: list[MainStream | OnsetStream | ChromaStream | SharedStream]
        if config.discriminator == "ablated-2":
            streams = [SharedStream(width, plan)]
        else:
            streams = [MainStream(width, plan)]
            if config.discriminator == "full":
                streams += [OnsetStream(width, plan), ChromaStream(width, plan)]
        self.streams = nn.ModuleList(streams)
        joined = widen(1024 if config.discriminator == "ablated-2" else 512, width)
        self.bars = Bars(sum(stream.outputs for stream in streams), joined, plan)

    def forward(self, phrases: Tensor) -> Tensor:
        """Scores: real numbers ``(batch, 1)``."""
        plan = self.plan
        if plan.rows > plan.pitches:  # whole octaves: silence above the highest row
            phrases = F.pad(phrases, (0, plan.rows - plan.pitches))
        rolls = phrases.unflatten(1, (plan.planes, plan.tracks))
        scores: Tensor = self.bars(torch.cat([stream(rolls) for stream in self.streams], -1))
        return scores
