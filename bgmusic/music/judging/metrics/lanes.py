"""Four cells in one number: booleans are bytes of 0 or 1, and an int32 adds or combines four of them at a time.

A sum of bytes that stays below 256 never carries into the next one, so counts over pitches (128 at most, 32 a
byte) and over runs of 255 steps are exact. This is what makes the metrics several times as fast as on booleans.
"""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

_BYTES = 4
_MOST = 255  # a byte's


class Lanes:
    """Boolean rolls ``(batch, tracks, bars, steps, pitches)``, and what several metrics count in them, counted once.

    Every metric that takes rolls takes these as well: whoever asks for many saves the time.
    """

    def __init__(self, rolls: Tensor) -> None:
        self.shape = rolls.shape
        missing = -rolls.shape[-1] % _BYTES
        if missing:
            rolls = F.pad(rolls, (0, missing))
        self.cells = rolls.contiguous().view(torch.int32)
        """int32 ``(batch, tracks, bars, steps, ceil(pitches / 4))``, a cell a byte, zeros behind the last pitch."""

    @cached_property
    def per_step(self) -> Tensor:
        """Lit cells of each step: int32 ``(batch, tracks, bars, steps)``."""
        sums = self.cells.sum(-1, dtype=torch.int32)
        # The four bytes, each 32 at most, added into the lowest.
        return (sums + (sums >> 8) + (sums >> 16) + (sums >> 24)) & _MOST

    @cached_property
    def per_pitch(self) -> Tensor:
        """Lit cells of each pitch in each bar: float32 (exact) ``(batch, tracks, bars, pitches)``."""
        return _count_steps(self.cells)[..., : self.shape[-1]]

    def per_beat(self, resolution: int) -> Tensor:
        """As ``per_pitch``, in each beat of ``resolution`` steps: float32 ``(batch, tracks, beats, pitches)``.

        Beats are counted from the first step, across bars; the last may be short.
        """
        steps = self.cells.flatten(2, 3)
        short = steps.shape[2] % resolution
        whole = steps.shape[2] - short
        counts = _count_steps(steps[:, :, :whole].unflatten(2, (-1, resolution))) if whole else None
        if short:
            last = _count_steps(steps[:, :, whole:]).unsqueeze(2)
            counts = last if counts is None else torch.cat([counts, last], dim=2)
        if counts is None:
            return torch.zeros(*self.shape[:2], 0, self.shape[-1], device=self.cells.device)
        return counts[..., : self.shape[-1]]


def lanes(rolls: Tensor | Lanes) -> Lanes:
    """Rolls as ``Lanes``."""
    return rolls if isinstance(rolls, Lanes) else Lanes(rolls)


def count_cells(cells: Tensor) -> Tensor:
    """Lit cells: int32 ``(batch, tracks, steps, width)`` as in ``Lanes.cells``, to float32 ``(batch, tracks)``."""
    return _count_steps(cells).sum(-1)


def _count_steps(cells: Tensor) -> Tensor:
    """``(..., steps, width)`` to float32 ``(..., 4 * width)``."""
    parts = cells.split(_MOST, dim=-2) if cells.shape[-2] > _MOST else [cells]
    counts = [part.sum(-2, dtype=torch.int32).view(torch.uint8).float() for part in parts]
    return counts[0] if len(counts) == 1 else torch.stack(counts).sum(0)
