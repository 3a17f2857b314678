"""Judge drafts by what returns in them, so that it returns as often as in music, and by how many notes start.

Critics hear nothing of earlier phrases, and prefer what returns: nothing new can be wrong in it. So beats that return
have weights of their own, learnt as the critics' weights of rare events are. Notes that are recalled add to new ones,
so that pieces would grow. Beats in which a track sounds have a weight, too: else the more a track sounds, the smaller
a share of its beats would return.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bgmusic.music.networks.causal.critic_returns import BARS_AGO, number_notes, returning
from bgmusic.music.networks.causal.particles import Judge
from bgmusic.music.networks.causal.recalled import RecallableBeats, Recalled
from bgmusic.music.rolls.shape import RollShape

_KINDS = 3  # of what is again as in an earlier phrase, see :class:`Counts`


@dataclass(frozen=True)
class Counts:
    """What returns in phrases.

    Attributes:
        again: beats that are those of earlier phrases, while the beat before was not, and while it was; whole bars:
            float ``(batch, tracks, phrases, 3)``.
        bars: beats, and whole bars, with the notes of one and of two bars before: ``(batch, tracks, 2, 2)``.
        notes: notes that start, for each step of a bar: ``(batch, tracks)``.
        sounding: beats in which the track sounds: ``(batch, tracks)``.

    """

    again: Tensor
    bars: Tensor
    notes: Tensor
    sounding: Tensor


class Returning(nn.Module):
    """Weights of what returns.

    Args:
        tracks: number of tracks.
        phrases: number of earlier phrases.

    """

    def __init__(self, tracks: int, phrases: int) -> None:
        super().__init__()
        self.again = nn.Parameter(torch.zeros(tracks, phrases, _KINDS))
        self.bars = nn.Parameter(torch.zeros(tracks, len(BARS_AGO), 2))
        self.notes = nn.Parameter(torch.zeros(tracks))
        self.sounding = nn.Parameter(torch.zeros(tracks))

    def forward(self, counts: Counts) -> Tensor:
        """Return what phrases gain: ``(batch,)``."""
        pairs = ((values, getattr(self, name)) for name, values in vars(counts).items())
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
    run, counts = torch.zeros_like(equal[:, 0], dtype=torch.int64), list[Tensor]()
    for beat, now in enumerate(equal.unbind(1)):
        run = (run + 1) * now
        counts.append(_kinds(run, beat, shape))
    total: Tensor = torch.stack(counts).sum(0)
    return total


def sounding_beats(cells: Tensor, unit: int) -> Tensor:
    """Return the number of beats of ``unit`` steps in which each track sounds: ``(batch, tracks)``."""
    number: Tensor = cells.unflatten(1, (-1, unit)).any(-1).any(2).float().sum(1)
    return number


def _kinds(run: Tensor, beat: int, shape: RollShape) -> Tensor:
    """Count one beat, by the number of beats up to it that are those of earlier phrases: see :attr:`Counts.again`."""
    whole = (run >= shape.beats) & (beat % shape.beats == shape.beats - 1)
    return torch.stack([run == 1, run > 1, whole], -1).float()


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
        self._run = torch.zeros(number, tracks, phrases, dtype=torch.int64, device=device)
        self._notes = torch.zeros(number, steps, tracks, dtype=torch.int64, device=device)
        self._gained = torch.zeros(number, device=device)

    def __call__(self, cells: Tensor, starts: Tensor) -> Tensor:
        """Return the logits of the drafts with a further beat, see :class:`Judge`."""
        done, unit = self._beat * self._shape.unit, self._shape.unit
        equal = self._beats.equal(torch.stack([cells, starts], 3)[:, None], slice(self._beat, self._beat + 1))[:, 0]
        self._notes[:, done : done + unit] = number_notes(cells, starts)
        bars = returning(self._notes[:, : done + unit], self._shape, unit)[:, -1].float()
        notes = starts.float().sum((1, 3)) / self._shape.steps
        self._run = (self._run + 1) * equal
        counts = Counts(_kinds(self._run, self._beat, self._shape), bars, notes, sounding_beats(cells, unit))
        self._gained = self._gained + self._weights(counts)
        self._beat += 1
        return self._judge(cells, starts) + self._gained

    def replace(self, places: Tensor, rows: Tensor) -> None:
        """Put the drafts of the numbers ``rows`` in the given places; a place keeps its phrase."""
        self._judge.replace(places, rows)
        for values in (self._run, self._notes, self._gained):
            values.index_copy_(0, places, values.index_select(0, rows))
