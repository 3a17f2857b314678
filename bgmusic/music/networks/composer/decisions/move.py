"""Decide whether a track moves to new notes or holds the ones it plays."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from bgmusic.music.networks.composer.decisions.base import Choices, Decision, Tracks, cross_entropy, fire, previous
from bgmusic.neurons import BinaryNeuron


class Move(Decision):
    """Decide at each step whether the track moves. Adds ``moves``.

    A track that does not move holds its notes, so notes are whole and never fragments. Drums always move, and so does
    every track at a phrase's first step. With rests decided, a track also moves when it begins or ends a rest.
    """

    name = "move"
    step_outputs = 1

    def logits(self, steps: Tensor, cells: Tensor, tracks: Tracks) -> Tensor:
        """Return logits of a move; infinite for drums."""
        return steps[0].masked_fill(tracks.drums.unsqueeze(1), float("inf"))

    def decide(self, logits: Tensor, made: Choices, noise: Tensor, neuron: BinaryNeuron) -> Choices:
        """Add ``moves``."""
        moves, sounds = fire(neuron, logits, noise), made.get("sounds")
        if sounds is not None:
            moves = 1 - (1 - moves) * sounds * previous(sounds)
        # Steps that are not open count as moves to their own notes, so that open steps after them can hold these.
        return made.add(moves=torch.where(made.opened, F.pad(moves[:, :, 1:], (1, 0), value=1.0), 1.0))

    def observe(self, real: Choices) -> Choices:
        """Add ``moves``: steps whose notes differ from the step before, or that have an onset."""
        draft = real.draft
        changed = (draft.cells[:, :, 1:] != draft.cells[:, :, :-1]).any(3)
        if draft.onsets is not None:
            changed = changed | (draft.onsets[:, :, 1:] > 0).any(3)
        moves = F.pad(changed, (1, 0), value=True) | real.tracks.drums.unsqueeze(1)
        return real.add(moves=moves.to(draft.cells.dtype))

    def loss(self, logits: Tensor, real: Choices) -> Tensor:
        """Return the loss: of pitched tracks; with rests decided, where the track sounds now and at the step before."""
        pitched, sounds = ~real.tracks.drums.unsqueeze(1), real.get("sounds")
        losses = cross_entropy(logits.masked_fill(~pitched, 0), real["moves"]) * pitched
        return losses if sounds is None else losses * sounds * previous(sounds)

    def odds(self, logits: Tensor, odds: Choices, neuron: BinaryNeuron) -> Choices:
        """Add the probability of ``moves``, given the decisions at the step before."""
        moves = F.pad(neuron.preactivate(logits)[:, :, 1:], (1, 0), value=1.0)
        if odds.get("sounds") is not None:
            moves = torch.where(previous(odds.draft.cells.amax(3)) > 0, moves, 1.0)
        return odds.add(moves=moves)


def played(choices: Choices) -> Tensor:
    """Return the steps at which a track moves and does not rest, ``(batch, tracks, steps)``."""
    sounds = choices.get("sounds")
    return choices["moves"] if sounds is None else choices["moves"] * sounds


def hold(cells: Tensor, moves: Tensor) -> Tensor:
    """Replace the cells of steps without a move by those of the last step with one.

    Where the track holds, the estimator still passes on what a move there would have changed.

    Args:
        cells: ``(batch, tracks, steps, pitches)``.
        moves: zeros and ones ``(batch, tracks, steps)``; the first step moves.

    """
    place = torch.arange(moves.shape[2], device=moves.device)
    last_move = torch.where(moves > 0, place, 0).cummax(2).values.unsqueeze(3).expand_as(cells)
    moved = moves.unsqueeze(3)
    return moved * cells + (1 - moved) * cells.gather(2, last_move)
