"""Decide how many notes a track plays."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from bgmusic.music.networks.composer.decisions.base import (
    IMPOSSIBLE,
    Choices,
    Decision,
    Tracks,
    cross_entropy,
    fire,
    logit_of,
)
from bgmusic.music.networks.composer.decisions.move import played
from bgmusic.neurons import BinaryNeuron


class NoteCount(Decision):
    """Decide how many notes a track plays where it moves and does not rest. Adds ``counts``.

    The count is a chain of binary questions: more than one note; if so, more than two; and so on up to ``largest``. A
    track never plays more notes than it did in training data. The steps of a track share one random number, so a
    track can play a melody, or chords, throughout.

    Args:
        largest: counts from here on are treated as one.

    """

    name = "count"
    noise: ClassVar[Literal["step", "track"]] = "track"

    def __init__(self, largest: int) -> None:
        self.largest = largest
        self.step_outputs = max(1, largest - 1)

    def logits(self, steps: Tensor, cells: Tensor, tracks: Tracks) -> Tensor:
        """Return logits ``(batch, tracks, steps, step_outputs)`` of "more than n notes", given n, for n = 1, 2, ..."""
        allowed = self._numbers(steps) < tracks.most.view(-1, 1, 1)
        return steps.movedim(0, -1).masked_fill(~allowed, IMPOSSIBLE)

    def decide(self, logits: Tensor, made: Choices, noise: Tensor, neuron: BinaryNeuron) -> Choices:
        """Add ``counts``."""
        return made.add(counts=1 + fire(neuron, _exceeding(logits), noise.unsqueeze(3)).sum(3))

    def observe(self, real: Choices) -> Choices:
        """Add ``counts``, at most ``largest``."""
        return real.add(counts=real.draft.cells.sum(3).clamp(max=self.largest))

    def loss(self, logits: Tensor, real: Choices) -> Tensor:
        """Return the loss of the questions up to the real answer, where the track moves and does not rest."""
        numbers, counts = self._numbers(logits), real["counts"].unsqueeze(3)
        losses = cross_entropy(logits, (counts > numbers).float()) * (counts >= numbers)
        return losses.sum(3) * played(real)

    def odds(self, logits: Tensor, odds: Choices, neuron: BinaryNeuron) -> Choices:
        """Add the probabilities of 1, 2, ... notes as ``counts``, ``(batch, tracks, steps, step_outputs + 1)``."""
        exceeds = neuron.preactivate(_exceeding(logits))
        return odds.add(counts=-F.pad(F.pad(exceeds, (1, 0), value=1.0), (0, 1)).diff(dim=3))

    def _numbers(self, like: Tensor) -> Tensor:
        return torch.arange(1, self.step_outputs + 1, device=like.device)


def _exceeding(more: Tensor) -> Tensor:
    """Return logits of "more than 1, 2, ... notes" from those of "more than n, given n"."""
    return logit_of(F.logsigmoid(more).cumsum(-1))
