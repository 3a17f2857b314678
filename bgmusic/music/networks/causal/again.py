"""Judge drafts by the beats that they play again, so that they return as often as music does.

Critics hear nothing of earlier phrases, and prefer what returns: nothing new can be wrong in it. So what begins to
return, and what goes on to, has weights of its own, learnt as the critics' weights of rare events are.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from bgmusic.music.networks.causal.particles import Judge
from bgmusic.music.networks.causal.recalled import RecallableBeats, Recalled

KINDS = 2
"""A beat is that of an earlier phrase, and the beat before it was not; or both are."""


def count_again(cells: Tensor, starts: Tensor, earlier: Recalled, unit: int) -> Tensor:
    """Count the beats of phrases that are those of earlier ones: float32 ``(batch, tracks, phrases, KINDS)``.

    Args:
        cells: notes, boolean ``(batch, steps, tracks, rows)``.
        starts: notes that start, of the same shape.
        earlier: the earlier phrases.
        unit: steps of a beat.

    """
    equal = RecallableBeats(earlier, unit).equal(torch.stack([cells, starts], 3).unflatten(1, (-1, unit)))
    return _kinds(equal, F.pad(equal, (0, 0, 0, 0, 1, 0))[:, :-1]).sum(1)


def _kinds(equal: Tensor, before: Tensor) -> Tensor:
    return torch.stack([equal & ~before, equal & before], -1).float()


class Again:
    """Judge drafts as another judge does, and by the beats that they play again.

    Args:
        judge: the other one.
        earlier: phrases before those of the drafts.
        weights: of each kind, float ``(tracks, phrases, KINDS)``.
        unit: steps of a beat.

    """

    def __init__(self, judge: Judge, earlier: Recalled, weights: Tensor, unit: int) -> None:
        self._judge, self._weights, self._beat = judge, weights, 0
        self._beats = RecallableBeats(earlier, unit)
        self._equal = torch.zeros_like(earlier.events[:, 0], dtype=torch.bool)
        self._gained = torch.zeros(len(self._equal), device=weights.device)

    def __call__(self, cells: Tensor, starts: Tensor) -> Tensor:
        """Return the logits of the drafts with a further beat, see :class:`Judge`."""
        planes = torch.stack([cells, starts], 3)[:, None]
        equal = self._beats.equal(planes, slice(self._beat, self._beat + 1))[:, 0]
        self._gained = self._gained + (_kinds(equal, self._equal) * self._weights).flatten(1).sum(1)
        self._equal, self._beat = equal, self._beat + 1
        return self._judge(cells, starts) + self._gained

    def replace(self, places: Tensor, rows: Tensor) -> None:
        """Put the drafts of the numbers ``rows`` in the given places; a place keeps its phrase."""
        self._judge.replace(places, rows)
        self._equal = self._equal.index_copy(0, places, self._equal.index_select(0, rows))
        self._gained = self._gained.index_copy(0, places, self._gained.index_select(0, rows))
