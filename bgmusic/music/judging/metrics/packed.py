"""Count cells of boolean rolls four at a time, by reading their bytes as int32.

A boolean is a byte of 0 or 1, so one int32 operation adds or combines four cells. A byte's sum does not carry into the
next one while it stays below 256: counts over pitches (128 at most, 32 a byte) and over up to 255 steps are exact. The
metrics run several times as fast as on booleans.
"""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from bgmusic.music.judging.metrics.checks import require_boolean, require_integer

_BYTES = 4
_MAX_BYTE = 255


class PackedRolls:
    """Boolean rolls packed for counting, with the counts that several metrics share.

    Metrics accept a tensor or a ``PackedRolls``; packing once saves time when several metrics are computed.

    Args:
        rolls: boolean ``(batch, tracks, bars, steps, pitches)``.

    Raises:
        TypeError: the rolls are not a boolean tensor.
        ValueError: the rolls do not have five dimensions.

    """

    def __init__(self, rolls: Tensor) -> None:
        require_boolean(rolls, "rolls")
        self.shape = rolls.shape
        padding = -rolls.shape[-1] % _BYTES
        if padding:
            rolls = F.pad(rolls, (0, padding))
        self.cells = rolls.contiguous().view(torch.int32)
        """int32 ``(batch, tracks, bars, steps, ceil(pitches / 4))``: one byte a cell, zero-padded."""

    @cached_property
    def per_step(self) -> Tensor:
        """Number of lit cells in each step: int32 ``(batch, tracks, bars, steps)``."""
        sums = self.cells.sum(-1, dtype=torch.int32)
        # Add the four bytes, each 32 at most, into the lowest.
        return (sums + (sums >> 8) + (sums >> 16) + (sums >> 24)) & _MAX_BYTE

    @cached_property
    def per_pitch(self) -> Tensor:
        """Number of lit cells of each pitch in each bar: float32 (exact) ``(batch, tracks, bars, pitches)``."""
        return _count_steps(self.cells)[..., : self.shape[-1]]

    def per_beat(self, resolution: int) -> Tensor:
        """Number of lit cells of each pitch in each beat: float32 ``(batch, tracks, beats, pitches)``.

        A beat has ``resolution`` steps. Beats are counted from the first step, across bar lines; the last beat may be
        shorter.
        """
        require_integer(resolution, "resolution", 1)
        steps = self.cells.flatten(2, 3)
        rest = steps.shape[2] % resolution
        whole = steps.shape[2] - rest
        counts = _count_steps(steps[:, :, :whole].unflatten(2, (-1, resolution))) if whole else None
        if rest:
            last = _count_steps(steps[:, :, whole:]).unsqueeze(2)
            counts = last if counts is None else torch.cat([counts, last], dim=2)
        if counts is None:
            return torch.zeros(*self.shape[:2], 0, self.shape[-1], device=self.cells.device)
        return counts[..., : self.shape[-1]]


def pack(rolls: Tensor | PackedRolls) -> PackedRolls:
    """Return the rolls as :class:`PackedRolls`."""
    return rolls if isinstance(rolls, PackedRolls) else PackedRolls(rolls)


def count_cells(cells: Tensor) -> Tensor:
    """Count lit cells: packed int32 ``(batch, tracks, steps, width)`` to float32 ``(batch, tracks)``."""
    return _count_steps(cells).sum(-1)


def _count_steps(cells: Tensor) -> Tensor:
    """Count lit cells over steps: packed int32 ``(..., steps, width)`` to float32 ``(..., 4 * width)``."""
    parts = cells.split(_MAX_BYTE, dim=-2) if cells.shape[-2] > _MAX_BYTE else [cells]
    counts = [part.sum(-2, dtype=torch.int32).view(torch.uint8).float() for part in parts]
    return counts[0] if len(counts) == 1 else torch.stack(counts).sum(0)
