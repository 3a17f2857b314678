"""Judge drafts by what returns in them, so that it returns as often as in music, and by how many notes start.

Critics hear nothing of earlier phrases, and prefer what returns: nothing new can be wrong in it. So beats that return
have weights of their own, learnt as the critics' weights of rare events are. Notes that are recalled add to new ones,
so that pieces would grow.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bgmusic.music.networks.causal.critic_returns import BARS_AGO, number_notes, returning_notes
from bgmusic.music.networks.causal.particles import Judge
from bgmusic.music.networks.causal.recalled import RecallableBeats, Recalled
from bgmusic.music.rolls.shape import RollShape


@dataclass(frozen=True)
class Counts:
    """What returns in phrases.

    Attributes:
        again: beats that are those of earlier phrases, while the beat before was not, and while it was: float
            ``(batch, tracks, phrases, 2)``.
        bars: beats, and whole bars, with the notes of one and of two bars before: ``(batch, tracks, 2, 2)``.
        notes: notes that start, for each step of a bar: ``(batch, tracks)``.

    """

    again: Tensor
    bars: Tensor
    notes: Tensor


class Returning(nn.Module):
    """Weights of what returns.

    Args:
        tracks: number of tracks.
        phrases: number of earlier phrases.

    """

    def __init__(self, tracks: int, phrases: int) -> None:
        super().__init__()
        self.again = nn.Parameter(torch.zeros(tracks, phrases, 2))
        self.bars = nn.Parameter(torch.zeros(tracks, len(BARS_AGO), 2))
        self.notes = nn.Parameter(torch.zeros(tracks))

    def forward(self, counts: Counts) -> Tensor:
        """Return what phrases gain: ``(batch,)``."""
        pairs = (counts.again, self.again), (counts.bars, self.bars), (counts.notes, self.notes)
        return torch.stack([(values * weights).flatten(1).sum(1) for values, weights in pairs]).sum(0)


def count_returns(cells: Tensor, starts: Tensor, earlier: Recalled, shape: RollShape) -> Tensor:
    """Count the beats of phrases that are those of earlier ones: see :attr:`Counts.again`.

    Args:
        cells: notes, boolean ``(batch, steps, tracks, rows)``.
        starts: notes that start, of the same shape.
        earlier: the earlier phrases.
        shape: of the phrases.

    """
    beats = RecallableBeats(earlier, shape.unit)
    equal = beats.equal(torch.stack([cells, starts], 3).unflatten(1, (-1, shape.unit)))
    return _kinds(equal, F.pad(equal, (0, 0, 0, 0, 1, 0))[:, :-1]).sum(1)


def _kinds(equal: Tensor, before: Tensor) -> Tensor:
    return torch.stack([equal & ~before, equal & before], -1).float()


class Again:
    """Judge drafts as another judge does, and by what returns in them.

    Args:
        judge: the other one.
        earlier: phrases before those that are composed.
        drafts: number of drafts of each of these.
        weights: of what returns.
        shape: of the phrases.

    """

    def __init__(self, judge: Judge, earlier: Recalled, drafts: int, weights: Returning, shape: RollShape) -> None:
        self._judge, self._weights, self._shape, self._beat = judge, weights, shape, 0
        self._beats = RecallableBeats(earlier, shape.unit, drafts)
        _, steps, tracks, phrases = earlier.events.shape
        number, device = drafts * len(earlier.events), earlier.events.device
        self._equal = torch.zeros(number, tracks, phrases, dtype=torch.bool, device=device)
        self._notes = torch.zeros(number, steps, tracks, dtype=torch.int64, device=device)
        self._gained = torch.zeros(len(self._equal), device=self._equal.device)

    def __call__(self, cells: Tensor, starts: Tensor) -> Tensor:
        """Return the logits of the drafts with a further beat, see :class:`Judge`."""
        done, unit = self._beat * self._shape.unit, self._shape.unit
        equal = self._beats.equal(torch.stack([cells, starts], 3)[:, None], slice(self._beat, self._beat + 1))[:, 0]
        self._notes[:, done : done + unit] = number_notes(cells, starts)
        bars = returning_notes(self._notes[:, : done + unit], self._shape, unit)[:, -1].float()
        notes = starts.float().sum((1, 3)) / self._shape.steps
        self._gained = self._gained + self._weights(Counts(_kinds(equal, self._equal), bars, notes))
        self._equal, self._beat = equal, self._beat + 1
        return self._judge(cells, starts) + self._gained

    def replace(self, places: Tensor, rows: Tensor) -> None:
        """Put the drafts of the numbers ``rows`` in the given places; a place keeps its phrase."""
        self._judge.replace(places, rows)
        for values in (self._equal, self._notes, self._gained):
            values.index_copy_(0, places, values.index_select(0, rows))
