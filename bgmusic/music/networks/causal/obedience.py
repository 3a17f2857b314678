"""Drafts that disobey planned chords lose weight where they are chosen, so that those which obey go on.

A stronger weight of planned notes in the decisions themselves makes voices leap to them. Chosen drafts lead as music
does: that is the same likelihood of music, given that it obeys (docs/notes/causal.md).
"""

from __future__ import annotations

import torch
from torch import Tensor

from bgmusic.music.networks.causal.critic import Critic
from bgmusic.music.networks.causal.critic_ahead import Known
from bgmusic.music.networks.causal.critic_stream import CriticStream
from bgmusic.music.networks.causal.particles import Judge
from bgmusic.music.networks.causal_config import CausalConfig
from bgmusic.music.rolls.shape import RollShape


def judge_of(critic: Critic, known: Known, settings: CausalConfig | None, shape: RollShape) -> Judge:
    """Return a judge of drafts: a critic, and obedience where chords are planned.

    Args:
        critic: gives the log of the ratio of the probabilities of real music and of drafts.
        known: what is known of the drafts in advance.
        settings: say what disobedience costs; None: nothing.
        shape: of the phrases.

    """
    judge = CriticStream(critic, known)
    if settings and (settings.wrong_bass or settings.outside_chord) and bool(known.chords.any()):
        return Obedience(judge, known.chords, settings, shape)
    return judge


class Obedience:
    """Judge drafts as another judge does, less the nats that they lose by disobedience so far.

    Args:
        judge: the other one.
        chords: planned chords and their basses, see :attr:`Known.chords`.
        settings: ``wrong_bass`` is lost at each change of the chord at which the lowest note is not the planned bass,
            ``outside_chord`` for each beat of a note outside its chord.
        shape: of the phrases.

    """

    def __init__(self, judge: Judge, chords: Tensor, settings: CausalConfig, shape: RollShape) -> None:
        self._judge, self._settings, self._unit, self._step = judge, settings, shape.unit, 0
        self._pitched = [track for track, drums in enumerate(shape.drums) if not drums]
        self._chord, self._bass = chords.unbind(2)
        changes = torch.ones_like(chords[:, :, 0, 0])
        changes[:, 1:] = (chords[:, 1:] != chords[:, :-1]).flatten(2).any(2)
        self._asked = changes & self._bass.any(2)
        self._known = self._chord.any(2)
        self._lost = torch.zeros(len(chords), device=chords.device)

    def __call__(self, cells: Tensor, starts: Tensor) -> Tensor:
        """Return the logits of the drafts with further steps, see :class:`Judge`."""
        here = slice(self._step, self._step + cells.shape[1])
        self._step = here.stop
        pitched = cells[:, :, self._pitched]
        sounding = pitched.any(2)
        right = self._bass[:, here].gather(2, sounding.long().argmax(2, keepdim=True))[..., 0]
        wrong = (self._asked[:, here] & sounding.any(2) & ~right).sum(1)
        outside = (pitched & ~self._chord[:, here, None]).sum((2, 3)).mul(self._known[:, here]).sum(1)
        self._lost = self._lost + self._settings.wrong_bass * wrong
        self._lost = self._lost + self._settings.outside_chord / self._unit * outside
        return self._judge(cells, starts) - self._lost

    def replace(self, places: Tensor, rows: Tensor) -> None:
        """Put the drafts of the numbers ``rows`` in the given places."""
        self._judge.replace(places, rows)
        self._lost = self._lost.index_copy(0, places, self._lost.index_select(0, rows))
