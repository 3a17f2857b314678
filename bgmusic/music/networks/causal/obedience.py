"""Drafts with wrong basses, or with parallels, lose weight where drafts are chosen, so that others go on.

To make planned notes more likely in the decisions themselves, and parallels less, makes voices leap. Drafts that are
chosen lead where they should as music does: they are drawn from its likelihood, given that it obeys
(docs/notes/causal.md).
"""

from __future__ import annotations

import torch
from torch import Tensor

from bgmusic.music.networks.causal.critic import Critic
from bgmusic.music.networks.causal.critic_ahead import Known
from bgmusic.music.networks.causal.critic_stream import CriticStream
from bgmusic.music.networks.causal.particles import Judge
from bgmusic.music.rolls.shape import RollShape


def judge_of(critic: Critic, known: Known, wrong_bass: float, parallels: float, shape: RollShape) -> Judge:
    """Return a judge of drafts: a critic, and what wrong basses and parallels cost.

    Args:
        critic: gives the log of the ratio of the probabilities of real music and of drafts.
        known: what is known of the drafts in advance.
        wrong_bass: see :class:`Obedience`.
        parallels: see :class:`CriticStream`.
        shape: of the phrases.

    """
    judge = CriticStream(critic, known, parallels)
    return Obedience(judge, known.chords, wrong_bass, shape) if wrong_bass and bool(known.chords.any()) else judge


class Obedience:
    """Judge drafts as another judge does, less the nats that wrong basses have cost so far.

    Args:
        judge: the other one.
        chords: planned chords and their basses, see :attr:`Known.chords`.
        cost: nats for each change of chord at which the lowest note is not the planned bass.
        shape: of the phrases.

    """

    def __init__(self, judge: Judge, chords: Tensor, cost: float, shape: RollShape) -> None:
        self._judge, self._cost, self._step = judge, cost, 0
        self._pitched = [track for track, drums in enumerate(shape.drums) if not drums]
        self._bass = chords[:, :, 1]
        changes = torch.ones_like(chords[:, :, 0, 0])
        changes[:, 1:] = (chords[:, 1:] != chords[:, :-1]).flatten(2).any(2)
        self._asked = changes & self._bass.any(2)
        self._lost = torch.zeros(len(chords), device=chords.device)

    def __call__(self, cells: Tensor, starts: Tensor) -> Tensor:
        """Return the logits of the drafts with further steps, see :class:`Judge`."""
        here = slice(self._step, self._step + cells.shape[1])
        self._step = here.stop
        sounding = cells[:, :, self._pitched].any(2)
        right = self._bass[:, here].gather(2, sounding.long().argmax(2, keepdim=True))[..., 0]
        wrong = (self._asked[:, here] & sounding.any(2) & ~right).sum(1)
        self._lost = self._lost + self._cost * wrong
        return self._judge(cells, starts) - self._lost

    def replace(self, places: Tensor, rows: Tensor) -> None:
        """Put the drafts of the numbers ``rows`` in the given places."""
        self._judge.replace(places, rows)
        self._lost = self._lost.index_copy(0, places, self._lost.index_select(0, rows))
