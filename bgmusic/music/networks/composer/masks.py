"""Which units of phrases are hidden from a network that learns to fill them in."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from bgmusic.music.rolls.shape import RollShape

Hidden = Literal["any", "tracks"]

_WAYS = 8
_NEVER = 2.0  # above every draw and share


def cells_of(units: Tensor, shape: RollShape) -> Tensor:
    """Which cells units ``(batch, tracks, bars * beats)`` are made of: ``(batch, channels, bars, steps, 1)``."""
    steps: Tensor = units.repeat_interleave(shape.unit, 2).unflatten(2, (shape.bars, shape.steps))
    return steps.unsqueeze(4).repeat(1, shape.planes, 1, 1, 1)


def draw_open(
    batch: int,
    tracks: int,
    bars: int,
    beats: int,
    generator: torch.Generator | None = None,
    hidden: Hidden = "any",
) -> Tensor:
    """Draw units to hide: boolean ``(batch, tracks, bars * beats)``, at least one in each phrase.

    ``any``: the share that is hidden is drawn from ``U[0, 1)``, and so is what is hidden together: single units (half
    of the phrases), a track's bars (a quarter), beats of all tracks (an eighth), whole tracks (an eighth).

    ``tracks``, to learn accompaniment: from one to all but one tracks, how many being drawn evenly, are to be
    composed, and nothing of the others is hidden, which are given. In half of the phrases the composed tracks are
    hidden whole, as they are for a draft; in the others a part of them, drawn as above, as it is for a revision. (A
    roll of a single track has nothing to give.)
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
    if hidden == "tracks":
        composed = _draw_tracks(batch, tracks, generator)
        drawn = torch.where(composed, drawn, _NEVER)
        share = torch.where(numbers(1, 1) < 0.5, 1.0, share)
    # The smallest of them is always hidden: a phrase with nothing to fill in teaches nothing.
    return (drawn < share) | (drawn == drawn.flatten(1).amin(1)[:, None, None])


def _draw_tracks(batch: int, tracks: int, generator: torch.Generator | None) -> Tensor:
    """Some tracks of each phrase, one at least and, of several, not all: boolean ``(batch, tracks, 1)``."""
    count = torch.randint(1, max(2, tracks), (batch, 1), generator=generator)
    rank = torch.rand(batch, tracks, generator=generator).argsort(1).argsort(1)
    return (rank < count).unsqueeze(2)
