"""Units of phrases that are hidden from a network that learns to fill them in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from bgmusic.music.rolls.shape import RollShape

Hidden = Literal["any", "runs", "tracks"]

_WAYS, _RUNS = 8, 3
_NEVER = 2.0  # above every draw and share


def cells_of(units: Tensor, shape: RollShape) -> Tensor:
    """Mark the cells of units.

    Args:
        units: ``(batch, tracks, bars * beats)``, for any number of bars.
        shape: of the phrases; its number of bars is not used.

    Returns:
        ``(batch, channels, bars, steps, 1)``.

    Raises:
        ValueError: ``units`` has another shape.

    """
    if units.dim() != 3 or units.shape[1] != len(shape.track_set) or units.shape[2] % shape.beats:
        expected = f"(batch, {len(shape.track_set)}, bars * {shape.beats})"
        raise ValueError(f"units have shape {tuple(units.shape)}, not {expected}")
    steps: Tensor = units.repeat_interleave(shape.unit, 2).unflatten(2, (-1, shape.steps))
    return steps.unsqueeze(4).repeat(1, shape.planes, 1, 1, 1)


def draw_open(
    batch: int,
    tracks: int,
    bars: int,
    beats: int,
    generator: torch.Generator | None = None,
    hidden: Hidden = "any",
) -> Tensor:
    """Draw units to hide, at least one in each phrase.

    ``any``: the hidden share is drawn from ``U[0, 1)``, and so is what is hidden together: single units (in half of the
    phrases), a track's bars (a quarter), beats of all tracks (an eighth), or whole tracks (an eighth).

    ``runs``: the same, but in three eighths of the phrases, instead of single units, consecutive bars of all tracks are
    hidden; half of these go up to the end, as in continuing a piece.

    ``tracks`` (to learn accompaniment): from one to all but one of the tracks are composed, each number being equally
    likely, and the others are given whole. In half of the phrases the composed tracks are hidden whole, as in a draft;
    in the other half a part of them, drawn as above, as in a revision. A single track is always composed.

    Args:
        batch: number of phrases.
        tracks: tracks of a phrase.
        bars: bars of a phrase.
        beats: units of a bar.
        generator: source of the draws, on the CPU; torch's global one by default.
        hidden: kind of units.

    Returns:
        Boolean ``(batch, tracks, bars * beats)``.

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
    elif hidden == "runs":
        drawn = torch.where(way < _RUNS, _draw_run(bars, numbers).repeat_interleave(beats, 2), drawn)
    # The smallest number is always hidden: a phrase without hidden units teaches nothing.
    return (drawn < share) | (drawn == drawn.flatten(1).amin(1)[:, None, None])


def draw_all_but_one(
    batch: int, tracks: int, bars: int, beats: int, generator: torch.Generator | None = None
) -> Tensor:
    """Hide all units but those of one track, each being equally likely: boolean ``(batch, tracks, bars * beats)``.

    A single track is always composed: its first unit alone is given.
    """
    if tracks == 1:
        return (torch.arange(bars * beats) > 0).expand(batch, 1, -1)
    given = torch.randint(tracks, (batch, 1, 1), generator=generator)
    return (torch.arange(tracks)[:, None] != given).expand(-1, -1, bars * beats)


def _draw_run(bars: int, numbers: Callable[..., Tensor]) -> Tensor:
    """Draw consecutive bars of each phrase, half of the time up to its end: 0 in these, else above every share."""
    begin = (numbers(1, 1) * bars).long()
    end = torch.where(numbers(1, 1) < 0.5, bars, begin + 1 + (numbers(1, 1) * (bars - begin)).long())
    bar = torch.arange(bars)
    return torch.where((bar >= begin) & (bar < end), 0.0, _NEVER)


def _draw_tracks(batch: int, tracks: int, generator: torch.Generator | None) -> Tensor:
    """Draw tracks of each phrase, at least one and, if there are several, not all: boolean ``(batch, tracks, 1)``."""
    count = torch.randint(1, max(2, tracks), (batch, 1), generator=generator)
    rank = torch.rand(batch, tracks, generator=generator).argsort(1).argsort(1)
    return (rank < count).unsqueeze(2)
