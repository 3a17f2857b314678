"""A particle filter: several drafts of a phrase, of which the critic decides which go on."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

_FEWEST = 0.5  # of the drafts, as an effective number, below which they are drawn anew


class Judge(Protocol):
    """Judges drafts while they are composed."""

    def __call__(self, cells: Tensor, starts: Tensor) -> Tensor:
        """Return the logits of the drafts with further steps, ``(drafts,)``.

        Args:
            cells: notes of these steps, boolean ``(drafts, steps, tracks, rows)``.
            starts: notes that start, of the same shape.

        """

    def replace(self, places: Tensor, rows: Tensor) -> None:
        """Put the drafts of the numbers ``rows`` in the given places."""


class ParticleFilter:
    """Weight the drafts of phrases and draw those that go on, with replacement.

    The drafts of a phrase follow each other. Between two draws, weights are multiplied; a draw is made when the
    effective number of drafts falls below half (Liu and Chen, "Sequential Monte Carlo methods for dynamic systems",
    1998) by systematic resampling (Carpenter et al., "Improved particle filter for nonlinear problems", 1999).

    Args:
        judge: gives the log of the ratio of the probabilities of real music and of the generator.
        drafts: number of drafts of a phrase.
        uniforms: numbers in [0, 1), ``(batch, draws)``: one for each draw; the last one chooses the result.

    """

    def __init__(self, judge: Judge, drafts: int, uniforms: Tensor) -> None:
        self._judge, self._drafts, self._uniforms = judge, drafts, uniforms
        self._before = uniforms.new_zeros(len(uniforms), drafts)
        self._weights = torch.zeros_like(self._before)
        self._draw = 0

    def draw(self, cells: Tensor, starts: Tensor) -> tuple[Tensor, Tensor]:
        """Judge further steps, see :class:`Judge`, and draw the drafts that go on.

        Returns:
            Places that get another draft, and the numbers of these drafts, int64 ``(places,)`` each.

        """
        self._weigh(cells, starts)
        chances = self._weights.softmax(1)
        few = 1 / chances.square().sum(1) < _FEWEST * self._drafts
        places = torch.arange(self._drafts, device=cells.device)
        points = (places + self._uniforms[:, self._draw, None]) / self._drafts
        drawn = torch.searchsorted(chances.cumsum(1), points).clamp(max=self._drafts - 1)
        chosen = torch.where(few[:, None], drawn, places)
        self._weights = torch.where(few[:, None], 0.0, self._weights)
        self._before = self._before.gather(1, chosen)
        self._draw += 1
        moved = (chosen != places).flatten().nonzero()[:, 0]
        rows = self._numbers(chosen).flatten()[moved]
        if len(moved):
            self._judge.replace(moved, rows)
        return moved, rows

    def result(self, cells: Tensor, starts: Tensor) -> Tensor:
        """Judge the last steps and return one draft of each phrase: int64 ``(batch,)``."""
        self._weigh(cells, starts)
        points = self._uniforms[:, -1:].contiguous()
        chosen = torch.searchsorted(self._weights.softmax(1).cumsum(1), points).clamp(max=self._drafts - 1)
        return self._numbers(chosen)[:, 0]

    def _weigh(self, cells: Tensor, starts: Tensor) -> None:
        logits = self._judge(cells, starts).view(self._before.shape)
        self._weights = self._weights + logits - self._before
        self._before = logits

    def _numbers(self, chosen: Tensor) -> Tensor:
        first = torch.arange(len(chosen), device=chosen.device) * self._drafts
        return chosen + first[:, None]
