"""What a composer decides on, and what it has decided."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from bgmusic.music.networks.composer.form import Form

_LARGEST = 1 - 1e-3  # probability of a note; its logit, and what a mistake costs, stay finite


@dataclass(frozen=True)
class Draft:
    """A phrase while it is made: cells and onsets ``(batch, tracks, steps, pitches)``, zeros and ones."""

    cells: Tensor
    onsets: Tensor | None

    def repeating(self, form: Form) -> Draft:
        """The draft with bars that come back as those that they are like."""
        return Draft(form.repeat(self.cells), None if self.onsets is None else form.repeat(self.onsets))


@dataclass(frozen=True)
class Logits:
    """What the neurons threshold, float32: ``moves``, ``rests`` ``(batch, tracks, steps)``, others with pitches behind.

    ``moves`` hold if the track sounds (``rests``; None where nobody decides on them) at a step and at the one before,
    ``more`` (its last axis is a number of notes; None where nobody decides on that) if it moves, sounds, and plays so
    many: whether it plays more than these. ``onsets`` (None without onsets) hold if besides the cell sounds.
    ``shares`` are logarithms of each pitch's share of a step's notes, ``expected`` that of how many are expected.
    """

    moves: Tensor
    rests: Tensor | None
    more: Tensor | None
    shares: Tensor
    expected: Tensor
    onsets: Tensor | None

    def cells(self, notes: Tensor | None = None) -> Tensor:
        """Of the cells where the track moves and does not rest, if it plays so many notes, or as many as expected."""
        expected = self.expected if notes is None else notes.clamp(min=1).log().unsqueeze(3)
        return _logit(self.shares + expected)


def before(steps: Tensor) -> Tensor:
    """What was at the step before ``(batch, tracks, steps)``; 0 before the first."""
    return F.pad(steps, (1, 0))[:, :, :-1]


def exceeding(more: Tensor) -> Tensor:
    """That a step has more notes than 1, 2, ..., from whether it has more if it has so many: logits of both."""
    return _logit(F.logsigmoid(more).cumsum(-1))


def _logit(logarithm: Tensor) -> Tensor:
    """The logit of a probability given by its logarithm, which is kept below that of 0.999."""
    logarithm = logarithm.clamp(max=math.log(_LARGEST))
    return logarithm - torch.log1p(-logarithm.exp())
