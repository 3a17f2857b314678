"""Decide which notes begin and which go on."""

from __future__ import annotations

import torch
from torch import Tensor

from bgmusic.music.networks.composer.decisions.base import Choices, Decision, Tracks, cross_entropy, fire
from bgmusic.neurons import BinaryNeuron


class Onsets(Decision):
    """Decide which cells begin a note where a track moves; the others continue the step before. Adds ``onsets``."""

    name = "onsets"
    cell_outputs = 1

    def logits(self, steps: Tensor, cells: Tensor, tracks: Tracks) -> Tensor:
        """Return logits of an onset, given that the cell sounds."""
        return cells[0]

    def decide(self, logits: Tensor, made: Choices, noise: Tensor, neuron: BinaryNeuron) -> Choices:
        """Add ``onsets``."""
        onsets = fire(neuron, logits, noise.unsqueeze(3)) * made["cells"] * made["moves"].unsqueeze(3)
        return made.add(onsets=torch.where(made.opened.unsqueeze(3), onsets, made.draft.begins))

    def observe(self, real: Choices) -> Choices:
        """Add ``onsets``."""
        return real.add(onsets=real.draft.begins)

    def loss(self, logits: Tensor, real: Choices) -> Tensor:
        """Return the loss, summed over the cells that sound, where the track moves."""
        return (cross_entropy(logits, real["onsets"]) * real["cells"]).sum(3) * real["moves"]

    def odds(self, logits: Tensor, odds: Choices, neuron: BinaryNeuron) -> Choices:
        """Add the probabilities of ``onsets``."""
        return odds.add(onsets=odds["moved"] * neuron.preactivate(logits))
