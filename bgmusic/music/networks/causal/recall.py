"""Recall what a piece played at the same place one and more phrases before.

Music returns after four or eight bars, and a composer sees no more than a phrase. So binary neurons decide at the
beginning of each beat whether a track plays what it played there one phrase before, then two, and so on. If it does
not, each decision gains by what that place was: whether the track changed there, which notes started and which went on.
All of this depends on how far the music so far agrees with those phrases, so that what begins to return goes on to
return. Where nothing came before, nothing changes.

Like the cache of a language model (Grave et al., "Improving neural language models with a continuous cache", ICLR
2017), but of places instead of words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from bgmusic.music.networks.causal.again import Returning
from bgmusic.music.networks.causal.agreement import SIZES

_EVENTS = 3  # what a track does in a step: nothing, an end alone, a start
_CHANGE, _START, _GOES_ON, _NOTE, _AGAIN = 0, _EVENTS, 2 * _EVENTS, 2 * _EVENTS + 1, 2 * _EVENTS + 2
_GATES = _AGAIN + 1
_RELATIONS = 3  # of a decision that a beat returns: it was true then, none was, another was
_RARE = -3.0  # initial logit of a beat that is played again


class Recall(nn.Module):
    """How much each track's decisions gain by what earlier phrases were.

    Args:
        tracks: number of tracks.
        hidden: channels of a track's hidden layer.
        phrases: number of earlier phrases.
        kinds: of each decision that beats return within a phrase: 0 exactly, 1 as a double, 2 in rhythm.

    """

    def __init__(self, tracks: int, hidden: int, phrases: int, kinds: Sequence[int] = ()) -> None:
        super().__init__()
        self.phrases, self.kinds = phrases, list(kinds)
        self._gates = _GATES + (_RELATIONS * (max(kinds) + 1) if kinds else 0)
        outputs = phrases * self._gates
        self.hidden = nn.ModuleList(nn.Linear(hidden, outputs) for _ in range(tracks))
        self.agreement = nn.ModuleList(nn.Embedding(phrases * sum(SIZES), outputs) for _ in range(tracks))
        self.returning = Returning(tracks, phrases)
        for weight in self.parameters():
            nn.init.zeros_(weight)
        with torch.no_grad():
            for layer in self.layers:
                layer.bias.view(phrases, -1)[:, _AGAIN] = _RARE

    @property
    def layers(self) -> list[nn.Linear]:
        """The linear layer of each track."""
        return [cast("nn.Linear", layer) for layer in self.hidden]

    def learn(self, composed: bool) -> None:
        """Let the weights be trained: of what is composed those that choose drafts, else the others."""
        self.requires_grad_(not composed)
        self.returning.requires_grad_(composed)

    def gates(self, track: int, outputs: Tensor, places: Tensor, known: Tensor) -> Tensor:
        """Return what a track's decisions gain: float32 ``(items, phrases, gates)``.

        Args:
            track: its number.
            outputs: of its layer, from the decoder's first hidden layer: ``(items, outputs)``.
            places: :func:`.agreement.places_of` the track, int64 ``(items, numbers)``.
            known: of which phrases something is known, boolean ``(items, phrases)``.

        """
        gates = outputs.float() + self.agreement[track](places).sum(1)
        masked: Tensor = gates.unflatten(1, (self.phrases, -1)) * known[..., None]
        return masked


def again(gates: Tensor) -> Tensor:
    """Return the logits that a beat is that of each phrase: ``(items, phrases)``."""
    return gates[..., _AGAIN]


def change_gain(gates: Tensor, events: Tensor) -> Tensor:
    """Return what the logits of a change gain: ``(items,)``; ``events`` of the track, int64 ``(items, phrases)``."""
    gain: Tensor = gates.gather(2, _CHANGE + events[..., None])[..., 0].sum(1)
    return gain


def going_on_gain(gates: Tensor, kept: Tensor) -> Tensor:
    """Return what the logits of notes that go on gain: ``(items, rows)``; ``kept`` is ``(items, phrases, rows)``."""
    gain: Tensor = (gates[..., _GOES_ON, None] * kept).sum(1)
    return gain


def start_gain(gates: Tensor, events: Tensor, started: Tensor) -> Tensor:
    """Return what the logits of notes that start gain: ``(items, rows)``; ``started`` is ``(items, phrases, rows)``."""
    of_events = gates.gather(2, _START + events[..., None])
    gain: Tensor = (of_events + gates[..., _NOTE, None] * started).sum(1)
    return gain


def return_gain(gates: Tensor, returned: Tensor, kinds: Sequence[int]) -> Tensor:
    """Return what the logits of decisions that a beat returns gain: ``(items, decisions)``.

    Args:
        gates: see :meth:`Recall.gates`.
        returned: how the track's beats returned, int64 ``(items, phrases)``.
        kinds: see :class:`Recall`.

    """
    numbers = torch.arange(1, len(kinds) + 1, device=gates.device)
    before = returned[..., None]
    relation = torch.where(before == numbers, 0, torch.where(before == 0, 1, 2))
    first = torch.tensor([_GATES + kind * _RELATIONS for kind in kinds], device=gates.device)
    gain: Tensor = gates.gather(2, first + relation).sum(1)
    return gain
