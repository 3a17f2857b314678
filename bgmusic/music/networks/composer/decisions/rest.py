"""Decide whether a track rests."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor

from bgmusic.music.networks.composer.decisions.base import Choices, Decision, Tracks, cross_entropy, fire
from bgmusic.neurons import BinaryNeuron


class Rest(Decision):
    """Decide at each step whether the track rests. Adds ``sounds``.

    Rests are decided first because the choice of cells cannot make them: coupled cell sampling preserves only the
    expected number of notes, so "silence or a chord of three" would give two notes. The steps of a track share one
    random number, so a track can be silent for a whole phrase.
    """

    name = "rest"
    noise: ClassVar[Literal["step", "track"]] = "track"
    step_outputs = 1

    def logits(self, steps: Tensor, cells: Tensor, tracks: Tracks) -> Tensor:
        """Return logits of a rest."""
        return steps[0]

    def decide(self, logits: Tensor, made: Choices, noise: Tensor, neuron: BinaryNeuron) -> Choices:
        """Add ``sounds``."""
        sounds = 1 - fire(neuron, logits, noise)
        return made.add(sounds=torch.where(made.opened, sounds, made.draft.cells.amax(3)))

    def observe(self, real: Choices) -> Choices:
        """Add ``sounds``: steps with a note."""
        return real.add(sounds=real.draft.cells.amax(3))

    def loss(self, logits: Tensor, real: Choices) -> Tensor:
        """Return the loss, at every step."""
        return cross_entropy(logits, 1 - real["sounds"])

    def odds(self, logits: Tensor, odds: Choices, neuron: BinaryNeuron) -> Choices:
        """Add the probability of ``sounds``."""
        return odds.add(sounds=1 - neuron.preactivate(logits))
