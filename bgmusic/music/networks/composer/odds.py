"""With which probabilities a composer decided."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from bgmusic.music.networks.composer.draft import Draft, Logits, before, exceeding
from bgmusic.neurons import BinaryNeuron


def odds_of(found: Logits, made: Draft, neuron: BinaryNeuron) -> Tensor:
    """Of what was made, the probabilities ``(batch, planes, tracks, steps, pitches)``."""
    moves = F.pad(neuron.preactivate(found.moves)[:, :, 1:], (1, 0), value=1.0)
    sounds = torch.ones_like(moves)
    if found.rests is not None:
        sounds = 1 - neuron.preactivate(found.rests)
        moves = torch.where(before(made.cells.amax(3)) > 0, moves, 1.0)
    sounds, moves = sounds.unsqueeze(3), moves.unsqueeze(3)
    chosen = sounds * moves * _odds_of_cells(found, neuron)
    planes = [chosen + sounds * (1 - moves) * F.pad(made.cells, (0, 0, 1, 0))[:, :, :-1]]
    if found.onsets is not None:
        planes.append(chosen * neuron.preactivate(found.onsets))
    return torch.stack(planes, 1)


def _odds_of_cells(found: Logits, neuron: BinaryNeuron) -> Tensor:
    """The probabilities of cells where a track moves and does not rest, however many notes it plays."""
    if found.more is None:
        return neuron.preactivate(found.cells())
    exceeds = neuron.preactivate(exceeding(found.more))
    just = -F.pad(F.pad(exceeds, (1, 0), value=1.0), (0, 1)).diff(dim=3)  # the probabilities of 1, 2, ... notes
    odds = torch.zeros_like(found.shares)
    for number, likely in enumerate(just.unbind(3), start=1):
        cells = found.cells(torch.full_like(likely, number))
        odds = odds + likely.unsqueeze(3) * neuron.preactivate(cells)
    return odds
