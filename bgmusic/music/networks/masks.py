"""Which units of phrases are hidden from a network that learns to fill them in."""

from __future__ import annotations

import torch
from torch import Tensor

_WAYS = 8


def draw_open(batch: int, tracks: int, bars: int, beats: int, generator: torch.Generator | None = None) -> Tensor:
    """Draw units to hide: boolean ``(batch, tracks, bars * beats)``, at least one in each phrase.

    The share that is hidden is drawn from ``U[0, 1)``, and so is what is hidden together: single units (half of the
    phrases), a track's bars (a quarter), beats of all tracks (an eighth), whole tracks (an eighth).
    """
    length = bars * beats

    def numbers(*shape: int) -> Tensor:
        return torch.rand(batch, *shape, generator=generator)

    share = numbers(1, 1)
    units = numbers(tracks, length)
    by_bar = numbers(tracks, bars, 1).expand(-1, -1, -1, beats).flatten(2)
    by_beat = numbers(1, length).expand(-1, tracks, -1)
    by_track = numbers(tracks, 1).expand(-1, -1, length)
    way = torch.randint(_WAYS, (batch, 1, 1), generator=generator)
    drawn = torch.where(way < 4, units, torch.where(way < 6, by_bar, torch.where(way < 7, by_beat, by_track)))
    # The smallest of them is always hidden: a phrase with nothing to fill in teaches nothing.
    return (drawn < share) | (drawn == drawn.flatten(1).amin(1)[:, None, None])
