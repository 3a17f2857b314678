"""A batch of phrases of one metre, with the quantities that several statistics share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from bgmusic.music.judging.metrics import note_begins
from bgmusic.music.judging.metrics.counts import fold
from bgmusic.music.judging.metrics.notes import sounding
from bgmusic.music.judging.statistics.statistic import Occasions
from bgmusic.music.judging.tensors import to_tensors
from bgmusic.music.midi.song import metre_of
from bgmusic.music.rolls.phrases import Phrases

_COMPOUND = 3  # eighths of a beat in 6/8, 9/8 and 12/8


@dataclass(frozen=True, eq=False)
class Moves:
    """Moves from one note of a melodic line to the next, one entry for each, in order of phrase, track and time.

    Attributes:
        row: int64 ``(m,)``, the phrase.
        track: int64 ``(m,)``, index among the pitched tracks.
        start: int64 ``(m,)``, step at which the first note begins.
        step: int64 ``(m,)``, step at which the second note begins.
        interval: int64 ``(m,)``, semitones from the first up to the second.

    """

    row: Tensor
    track: Tensor
    start: Tensor
    step: Tensor
    interval: Tensor

    def chosen(self, mask: Tensor) -> Moves:
        """Return the moves of a boolean mask ``(m,)``."""
        return Moves(*(value[mask] for value in (self.row, self.track, self.start, self.step, self.interval)))

    @property
    def follows(self) -> Tensor:
        """Boolean ``(m - 1,)``: whether each move but the first is in the phrase and track of the one before."""
        return (self.row[1:] == self.row[:-1]) & (self.track[1:] == self.track[:-1])


class PhraseView:
    """Phrases of one metre as tensors, with quantities that are computed once, on first use.

    Time is flat: ``time = bars * steps``. Pitched tracks are separate from drum tracks.

    Args:
        phrases: the phrases, all of one metre.

    """

    def __init__(self, phrases: Phrases) -> None:
        given = to_tensors(phrases)
        begins = note_begins(given.cells, given.onsets, given.drums).flatten(2, 3)
        cells = sounding(given.cells, given.onsets).flatten(2, 3)
        self.pitched = (~given.drums).nonzero().flatten()
        self.drums = given.drums.nonzero().flatten()
        names = [track.name for track in phrases.track_set.tracks]
        self.names = tuple(names[track] for track in self.pitched.tolist())
        self.low, self.resolution = phrases.track_set.low, phrases.resolution
        self.bars, self.steps = phrases.cells.shape[2:4]
        self.time, self.count = self.bars * self.steps, len(phrases)
        self.all_begins = begins
        """Boolean ``(n, tracks, time, pitches)``: first cells of notes, of all tracks."""
        self.cells, self.begins = cells[:, self.pitched], begins[:, self.pitched]
        self.hits = begins[:, self.drums]
        self.beat, self.strong = _beats(phrases, self.steps)
        self.beats = torch.cat([torch.arange(0, self.steps, self.beat) + bar * self.steps for bar in range(self.bars)])
        """int64 ``(beats,)``: the steps at which beats begin."""
        self.strong_beats = torch.isin((self.beats % self.steps) // self.beat, self.strong)
        """Boolean ``(beats,)``: the first beat of each bar, and the middle one of bars of 4, 8 or 12 beats."""

    @cached_property
    def line(self) -> Tensor:
        """The row of the highest sounding pitch of each pitched track: int64 ``(n, tracks, time)``, -1 for silence."""
        return _last_true(self.cells)

    @cached_property
    def bass(self) -> Tensor:
        """The row of the lowest sounding pitch: int64 ``(n, time)``, -1 for silence."""
        any_track = self.cells.any(1)
        lowest = any_track.to(torch.uint8).argmax(-1)
        return torch.where(any_track.any(-1), lowest, -1)

    @cached_property
    def strikes(self) -> Tensor:
        """Whether a note begins in each pitched track: boolean ``(n, tracks, time)``."""
        return self.begins.any(-1)

    @cached_property
    def moves(self) -> Moves:
        """Moves of the top line of each pitched track, between notes that begin as the highest sounding."""
        on_top = self.strikes & (_last_true(self.begins) == self.line)
        row, track, step = on_top.nonzero(as_tuple=True)
        pitch = self.line[row, track, step]
        same = (row[1:] == row[:-1]) & (track[1:] == track[:-1])
        return Moves(row[1:], track[1:], step[:-1], step[1:], pitch[1:] - pitch[:-1]).chosen(same)

    @cached_property
    def pairs(self) -> list[tuple[int, int]]:
        """All pairs of pitched tracks."""
        return list(combinations(range(len(self.pitched)), 2))

    @cached_property
    def sets(self) -> Tensor:
        """The pitch classes of each step as bits: int64 ``(n, time)``, bit 0 is C."""
        return bits(fold(self.cells.any(1), self.low) > 0)

    @cached_property
    def chroma(self) -> Tensor:
        """Sounding steps of each pitch class in each bar: float32 ``(n, bars, 12)``."""
        return fold(self.cells.sum(1).unflatten(1, (self.bars, self.steps)).sum(2), self.low)

    @cached_property
    def boundaries(self) -> Tensor:
        """Steps at which a note begins in any pitched track, and the first: boolean ``(n, time)``."""
        found = self.strikes.any(1)
        found[:, 0] = True
        return found

    def occasions(self, mask: Tensor, step: Tensor | None = None, tracks: bool = False) -> Occasions:
        """Return the true entries of a mask as occasions.

        Args:
            mask: boolean ``(n, k)``, or ``(n, tracks, k)`` with ``tracks``.
            step: int64 ``(k,)``, the step of each column; None if columns are steps.
            tracks: whether the second dimension is that of the pitched tracks.

        """
        index = mask.nonzero(as_tuple=True)
        at = index[-1] if step is None else step[index[-1]]
        if not tracks:
            return Occasions(index[0], at)
        return Occasions(index[0], at, lambda entry: (self.names[int(index[1][entry])],))


def bits(classes: Tensor) -> Tensor:
    """Return sets of pitch classes, boolean ``(..., 12)``, as int64 with bit 0 for C."""
    return (classes * (1 << torch.arange(12))).sum(-1)


def _last_true(cells: Tensor) -> Tensor:
    """Return the index of the last true cell along the last dimension, -1 if there is none."""
    highest = cells.shape[-1] - 1 - cells.flip(-1).to(torch.uint8).argmax(-1)
    return torch.where(cells.any(-1), highest, -1)


def _beats(phrases: Phrases, steps: int) -> tuple[int, Tensor]:
    """Return the length of a beat in steps, and the numbers of the strong beats of a bar.

    Beats are those of the metre: dotted quarters in 6/8, halves in 2/2. A beat that is no whole number of steps is
    replaced by a quarter.
    """
    metre = metre_of(steps, phrases.resolution) if phrases.metres is None else tuple(phrases.metres[0].tolist())
    length, beats = phrases.resolution, steps / phrases.resolution
    if metre is not None:
        numerator, denominator = metre
        compound = numerator > _COMPOUND and numerator % _COMPOUND == 0 and denominator >= 2 * 4
        units = _COMPOUND if compound else 1
        whole, rest = divmod(4 * phrases.resolution * units, denominator)
        if whole and not rest:
            length, beats = whole, numerator / units
    length = min(length, steps)
    middle = [int(beats) // 2] if beats in (4, 8, 12) else []
    return length, torch.tensor([0, *middle])


def metre_groups(phrases: Phrases) -> list[np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Return the numbers of the phrases of each metre."""
    if phrases.metres is None:
        return [np.arange(len(phrases))]
    kinds = np.unique(phrases.metres, axis=0, return_inverse=True)[1].reshape(-1)
    return [np.flatnonzero(kinds == kind) for kind in range(int(kinds.max()) + 1)]
