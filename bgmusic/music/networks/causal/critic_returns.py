"""Find what returns in phrases so far: rhythms of bars, and the notes of beats and of bars.

Whether all steps agree is more than a critic's convolutions learn to see.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from bgmusic.music.rolls.shape import RollShape

BARS_AGO = (1, 2)
_NUMBERS = 1 << 44  # of a row: sums of a few hundred of them are exact in float64, and hardly two of them are equal


def number_notes(cells: Tensor, started: Tensor) -> Tensor:
    """Return a number for what a track plays in a step; equal for equal notes, 0 for none.

    Args:
        cells: notes that sound, boolean ``(batch, steps, tracks, rows)``.
        started: notes that start, of the same shape.

    Returns:
        int64 ``(batch, steps, tracks)``.

    """
    numbers = _numbers(cells.shape[-1]).to(cells.device)
    return (cells.double() @ numbers[0] + started.double() @ numbers[1]).long()


@lru_cache(maxsize=4)
def _numbers(rows: int) -> Tensor:
    random = torch.Generator("cpu").manual_seed(0)
    return torch.randint(1, _NUMBERS, (2, rows), generator=random, device="cpu").double()


def returning_rhythms(strikes: Tensor, shape: RollShape, number: int) -> Tensor:
    """Return where the rhythm of a bar so far is that of one or two bars before.

    Args:
        strikes: whether a note of the track starts, boolean ``(batch, steps, tracks)``.
        shape: of the phrases.
        number: of the last steps that are described.

    Returns:
        Boolean ``(batch, number, tracks, 2)``: whether it is that of one bar before, of two bars before. Only the last
        step of each beat is marked, and only where one of the two bars has an onset up to there.

    """
    return _alike(strikes, shape, number, shape.steps, shape.unit)


def returning(values: Tensor, shape: RollShape, number: int) -> Tensor:
    """Return where a beat, and where a bar, is as one or two bars before.

    Args:
        values: what is compared, ``(batch, steps, tracks)``: :func:`number_notes`, or whether a note starts.
        shape: of the phrases.
        number: of the last steps that are described.

    Returns:
        Boolean ``(batch, number, tracks, 2, 2)``: of one bar before, of two; of the beat, of the bar. Only the last
        step of a beat, or of a bar, is marked, and only where not all is 0.

    """
    return torch.stack([_alike(values, shape, number, size, size) for size in (shape.unit, shape.steps)], -1)


def _alike(values: Tensor, shape: RollShape, number: int, size: int, marked: int) -> Tensor:
    """Return where values since the last multiple of ``size`` are those of one and of two bars before, and not all 0.

    Only the last of each ``marked`` steps is.
    """
    length, bar = values.shape[1], shape.steps
    first = (length - number) // size * size
    places = torch.arange(first, length, device=values.device)
    ends = places % marked == marked - 1
    now, columns = values[:, first:], []
    for bars in BARS_AGO:
        ago = places - bars * bar
        before = values[:, ago.clamp(min=0)]
        both = torch.stack([now != before, (now != 0) | (before != 0)])
        # Cumulative sums since that multiple.
        padded = F.pad(both, (0, 0, 0, -len(places) % size)).unflatten(2, (-1, size)).cumsum(3).flatten(2, 3)
        differ, present = padded[:, :, : len(places)]
        columns.append((differ == 0) & (present > 0) & (ends & (ago >= 0))[:, None])
    return torch.stack(columns, -1)[:, -number:]
