"""Drafts with wrong basses, activity or parallels lose weight where drafts are chosen, so that others go on.

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
from bgmusic.music.plans.shape import LEVELS
from bgmusic.music.rolls.shape import RollShape


def judge_of(
    critic: Critic,
    known: Known,
    activity: Tensor | None,
    shape: RollShape,
    wrong_bass: float,
    wrong_activity: float,
    parallels: float,
) -> Judge:
    """Return a judge of drafts: a critic, and what faults cost.

    Args:
        critic: gives the log of the ratio of the probabilities of real music and of drafts.
        known: what is known of the drafts in advance.
        activity: see :class:`Activity`; None: nothing is planned.
        shape: of the phrases.
        wrong_bass: see :class:`Basses`.
        wrong_activity: see :class:`Activity`.
        parallels: see :class:`CriticStream`.

    """
    judge: Judge = CriticStream(critic, known, parallels)
    if wrong_bass and bool(known.chords.any()):
        judge = Basses(judge, known.chords, wrong_bass, shape)
    if wrong_activity and activity is not None and bool((activity >= 0).any()):
        judge = Activity(judge, activity, wrong_activity, shape)
    return judge


class Basses:
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


class Activity:
    """Judge drafts as another judge does, less the nats that tracks which are too busy or too idle have cost so far.

    Args:
        judge: the other one.
        levels: number of planned levels of activity, int64 ``(drafts, tracks, bars)``, -1 where unknown.
        cost: nats for each level that a track's bar has too many or too few.
        shape: of the phrases.

    """

    def __init__(self, judge: Judge, levels: Tensor, cost: float, shape: RollShape) -> None:
        self._judge, self._cost, self._bar, self._step = judge, cost, shape.steps, 0
        self._planned = levels
        self._levels = torch.tensor(LEVELS, device=levels.device)
        self._begun = torch.zeros_like(levels[..., 0])  # steps of this bar at which notes begin
        self._lost = torch.zeros(len(levels), device=levels.device)  # of whole bars

    def __call__(self, cells: Tensor, starts: Tensor) -> Tensor:
        """Return the logits of the drafts with further steps, see :class:`Judge`."""
        bar, self._step = self._step // self._bar, self._step + cells.shape[1]
        self._begun = self._begun + starts.any(3).sum(1)
        planned = self._planned[:, :, bar]
        apart = (self._begun[..., None] >= self._levels).sum(2) - planned
        ends = self._step % self._bar == 0
        wrong = (apart.abs() if ends else apart.clamp(min=0)) * (planned >= 0)  # idle ones may still catch up
        lost = self._lost + self._cost * wrong.sum(1)
        if ends:
            self._lost, self._begun = lost, torch.zeros_like(self._begun)
        return self._judge(cells, starts) - lost

    def replace(self, places: Tensor, rows: Tensor) -> None:
        """Put the drafts of the numbers ``rows`` in the given places."""
        self._judge.replace(places, rows)
        self._lost = self._lost.index_copy(0, places, self._lost.index_select(0, rows))
        self._begun = self._begun.index_copy(0, places, self._begun.index_select(0, rows))
