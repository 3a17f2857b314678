"""Decide which pitches a track plays."""

from __future__ import annotations

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
from bgmusic.music.networks.composer.decisions.move import hold, played
from bgmusic.neurons import BinaryNeuron
from bgmusic.neurons.coupling import coupled_thresholds


class Cells(Decision):
    """Decide which pitches sound where a track moves and does not rest; elsewhere it holds. Adds ``cells``.

    A cell's probability is its share of the step's notes times their number, so that how many and which are learned
    apart. The number is the one that was decided (:class:`NoteCount`), or an expected one. The cells of a step share
    one random number through coupled thresholds (systematic sampling), so that exactly that number sounds.

    Args:
        counted: whether the number of notes is decided before.
        rests: whether rests are decided before; the expected number is then at least 1.

    """

    name = "cells"
    cell_outputs = 1

    def __init__(self, counted: bool, rests: bool) -> None:
        self.counted, self.rests = counted, rests
        self.step_outputs = 0 if counted else 1

    def logits(self, steps: Tensor, cells: Tensor, tracks: Tracks) -> Tensor:
        """Return log-shares of a step's notes; if their number is not decided, log-probabilities of cells."""
        playable = tracks.playable if tracks.playable.dim() == cells.dim() - 1 else tracks.playable.unsqueeze(1)
        shares = F.log_softmax(cells[0].masked_fill(~playable, IMPOSSIBLE), -1)
        if self.counted:
            return shares
        most = tracks.most.view(-1, 1)
        if self.rests:
            expected = torch.log1p(torch.sigmoid(steps[0]) * (most - 1))
        else:
            expected = F.logsigmoid(steps[0]) + most.log()
        return shares + expected.unsqueeze(3)

    def decide(self, logits: Tensor, made: Choices, noise: Tensor, neuron: BinaryNeuron) -> Choices:
        """Add ``cells``, held until the track moves; bars that are repeated share their moves and cells."""
        logits = self._at(logits, made.get("counts"))
        cells = fire(neuron, logits, coupled_thresholds(neuron.preactivate(logits), noise.unsqueeze(3)))
        moves, sounds = made["moves"], made.get("sounds")
        if sounds is not None:
            cells = cells * sounds.unsqueeze(3)
        cells = torch.where(made.opened.unsqueeze(3), cells, made.draft.cells)
        if made.form:  # before notes are held, so that the bar after a repeated one can hold its notes
            moves, cells = made.form.repeat(moves), made.form.repeat(cells)
        return made.add(moves=moves, cells=hold(cells, moves))

    def observe(self, real: Choices) -> Choices:
        """Add ``cells``."""
        return real.add(cells=real.draft.cells)

    def loss(self, logits: Tensor, real: Choices) -> Tensor:
        """Return the loss, summed over pitches, where the track moves and does not rest."""
        logits = self._at(logits, real.get("counts"))
        return cross_entropy(logits, real["cells"]).sum(3) * played(real)

    def odds(self, logits: Tensor, odds: Choices, neuron: BinaryNeuron) -> Choices:
        """Add the probabilities of ``cells``, and of ``moved``: cells that sound because the track moves to them."""
        sounds, moves = odds.get("sounds"), odds["moves"].unsqueeze(3)
        sounds = torch.ones_like(moves) if sounds is None else sounds.unsqueeze(3)
        moved = sounds * moves * self._mean(logits, odds.get("counts"), neuron)
        held = F.pad(odds.draft.cells, (0, 0, 1, 0))[:, :, :-1]
        return odds.add(moved=moved, cells=moved + sounds * (1 - moves) * held)

    def _at(self, logits: Tensor, counts: Tensor | None) -> Tensor:
        """Return logits of cells, given the number of notes if it is decided."""
        return logit_of(logits if counts is None else logits + counts.clamp(min=1).log().unsqueeze(3))

    def _mean(self, logits: Tensor, counts: Tensor | None, neuron: BinaryNeuron) -> Tensor:
        """Return probabilities of cells where the track moves and does not rest, over all numbers of notes."""
        if counts is None:
            return neuron.preactivate(self._at(logits, None))
        odds = torch.zeros_like(logits)
        for number, likely in enumerate(counts.unbind(3), start=1):
            cells = self._at(logits, torch.full_like(likely, number))
            odds = odds + likely.unsqueeze(3) * neuron.preactivate(cells)
        return odds
