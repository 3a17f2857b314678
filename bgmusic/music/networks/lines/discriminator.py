"""A discriminator that hears lines: moves, intervals between tracks, chords, and how they follow each other.

Everything that it sees is a sum of products of cells, so gradients by each cell exist, and of gradients, too.
"""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bgmusic.gan.layers import LeakyReLU
from bgmusic.music.networks.checks import check_shape
from bgmusic.music.networks.composer.draft import to_draft
from bgmusic.music.networks.keys import KEYS, MARGIN, key_of, pitch_classes, to_common
from bgmusic.music.networks.pianoroll_config import LinesConfig
from bgmusic.music.rolls.shape import RollShape

_SIZES = (0, 2, 4, 7, 12)  # semitones
_SCALE = 0.1  # of the first weights
_CHORDS = 256  # hidden channels that see chords
_PAIRS = 10  # pairs of tracks at most


class _Block(nn.Module):
    """A residual convolution over time ``(batch, channels, time)``; no normalization (as in R3GAN)."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels, channels, 3, padding=dilation, dilation=dilation)
        self.out = nn.Conv1d(channels, channels, 1)
        self.leak = LeakyReLU()

    def forward(self, x: Tensor) -> Tensor:
        changed: Tensor = x + 0.5 * self.out(self.leak(self.conv(self.leak(x))))
        return changed


class LinesDiscriminator(nn.Module):
    """Score phrases ``(batch, channels, bars, steps, pitches)``: each beat, then the whole.

    A phrase is transposed to C first, so that all keys are alike.

    Args:
        settings: sizes.
        shape: of the phrases.

    """

    def __init__(self, settings: LinesConfig, shape: RollShape) -> None:
        super().__init__()
        self.shape = shape
        channels, tracks, rows = settings.judge_channels, len(shape.track_set), shape.pitches + 2 * MARGIN
        self.pitched = [track for track, drums in enumerate(shape.drums) if not drums]
        pairs = list(combinations(range(len(self.pitched)), 2))[:_PAIRS]
        self.first, self.second = [one for one, _ in pairs], [other for _, other in pairs]
        self.notes = nn.Linear(shape.planes * tracks * rows, channels)
        inputs = [self.notes]
        if self.pitched:
            self.moves = nn.Linear(len(self.pitched) * (KEYS + 2 * len(_SIZES)), channels, bias=False)
            inputs.append(self.moves)
        if pairs:
            self.intervals = nn.Linear(len(pairs) * KEYS, channels, bias=False)
            self.motions = nn.Linear(len(pairs) * KEYS * KEYS, channels, bias=False)
            inputs += [self.intervals, self.motions]
            chords = nn.Linear((len(pairs) + 2) * KEYS, _CHORDS)
            nn.init.normal_(chords.weight, std=3 * _SCALE)  # about a dozen of the inputs are 1 at a time
            self.chords = nn.Sequential(chords, LeakyReLU(), nn.Linear(_CHORDS, channels, bias=False))
        for layer in inputs:
            nn.init.normal_(layer.weight, std=_SCALE)  # few of the inputs are 1 at a time
        self.place = nn.Parameter(torch.randn(shape.steps, channels) * 0.1)
        self.of_steps = nn.Sequential(*(_Block(channels, dilation) for dilation in (1, 2, 4)))
        wide = 2 * channels
        self.join = nn.Conv1d(channels, wide, shape.unit, shape.unit)
        self.of_beats = nn.Sequential(*(_Block(wide, dilation) for dilation in (1, 2, 4)))
        self.beat = nn.Conv1d(wide, 1, 1)
        self.whole = nn.Sequential(nn.Linear(wide * shape.bars, wide), LeakyReLU(), nn.Linear(wide, 1))

    def forward(self, phrases: Tensor) -> Tensor:
        """Return real numbers ``(batch, bars * beats + 1)``.

        Raises:
            TypeError, ValueError: the phrases have another type or shape.

        """
        check_shape(phrases, self.shape)
        shape = self.shape
        draft = to_draft(phrases, shape)
        with torch.no_grad():
            keys = key_of(pitch_classes(draft.cells, shape))
        planes = [to_common(plane, keys, shape).transpose(1, 2) for plane in draft.planes]
        x = self.notes(torch.cat([plane.flatten(2) for plane in planes], 2))
        if self.pitched:
            cells, starts = (plane[:, :, self.pitched] for plane in (planes[0], planes[-1]))
            x = x + self.moves(_moves(cells, starts).flatten(2))
            if self.first:
                classes = _fold(cells)
                intervals = _intervals(classes[:, :, self.first], classes[:, :, self.second])
                struck = starts.sum(-1).clamp(max=1)
                both = (struck[:, 1:, self.first] * struck[:, 1:, self.second])[..., None, None]
                motions = intervals[:, 1:, :, :, None] * intervals[:, :-1, :, None, :] * both
                known = torch.cat([intervals.flatten(2), classes.sum(2), classes[:, :, -1]], 2)
                x = x + self.chords(known)
                x = x + self.intervals(intervals.flatten(2)) + F.pad(self.motions(motions.flatten(2)), (0, 0, 1, 0))
        x = x + self.place.repeat(shape.bars, 1)
        x = self.of_steps(x.transpose(1, 2))
        x = self.of_beats(self.join(x))
        bars = x.unflatten(2, (shape.bars, shape.beats)).mean(3).flatten(1)
        return torch.cat([self.beat(x)[:, 0], self.whole(bars)], 1).float()


def _moves(cells: Tensor, starts: Tensor) -> Tensor:
    """Return the moves from the notes of the step before to those that start: ``(batch, steps, tracks, moves)``.

    First the interval classes, then how often the move is upward, or downward, by more than each of ``_SIZES``.
    """
    before = F.pad(cells, (0, 0, 0, 0, 1, 0))[:, :-1]
    below = before.cumsum(-1)
    classes = _intervals(_fold(before), _fold(starts))
    above = before.sum(-1, keepdim=True) - below + before
    moves = []
    for size in _SIZES:
        moves.append((starts[..., size + 1 :] * below[..., : -size - 1]).sum(-1))
        moves.append((starts[..., : -size - 1] * above[..., size + 1 :]).sum(-1))
    return torch.cat([classes, torch.stack(moves, 3)], 3)


def _fold(cells: Tensor) -> Tensor:
    """Join the rows of equal pitch class: ``(..., rows)`` to ``(..., 12)``."""
    folded: Tensor = F.pad(cells, (0, -cells.shape[-1] % KEYS)).unflatten(-1, (-1, KEYS)).sum(-2)
    return folded


def _intervals(one: Tensor, other: Tensor) -> Tensor:
    """Return how often each interval class sounds between pitch classes ``(..., 12)``: ``(..., 12)``."""
    places = torch.arange(KEYS, device=one.device)
    turned = other[..., (places + places[:, None]) % KEYS]  # (..., 12, shift)
    intervals: Tensor = (one[..., None] * turned).sum(-2)
    return intervals
