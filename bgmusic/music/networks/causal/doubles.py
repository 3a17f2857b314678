"""Tracks that double others: for a beat, a track plays the lowest line of an earlier track, an octave lower or higher.

A bass that plays the riff of a guitar does so note for note. A composer that decides on each note would have to be
right each time; here one binary neuron decides for a beat.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from bgmusic.music.rolls.shape import RollShape

_OCTAVES = (-12, 0, 12)  # semitones


def sources(drums: Sequence[bool]) -> list[tuple[int, int]]:
    """Return what can be doubled: pairs of a track and semitones up, all octaves of a track in turn."""
    return [(track, up) for track in source_tracks(drums) for up in _OCTAVES]


def source_tracks(drums: Sequence[bool]) -> list[int]:
    """Return the tracks that can be doubled: pitched ones, not the last."""
    return [track for track, is_drum in enumerate(drums) if not is_drum][:-1]


def can_double(source: Tensor, playable: Tensor) -> Tensor:
    """Return where a line can be doubled from this step on: it sounds, within the range of the track.

    Args:
        source: notes of the doubled track, boolean ``(..., rows)``.
        playable: rows of the track that doubles, of the same shape.

    Returns:
        Boolean ``(octaves, ...)``.

    """
    lowest = _lowest(source)
    return (torch.stack([F.pad(lowest, (up, -up)) for up in _OCTAVES]) & playable).any(-1)


def double(source: Tensor, strikes: Tensor, before: Tensor, playable: Tensor, up: int) -> tuple[Tensor, Tensor]:
    """Return what a track plays that doubles another: notes that sound and that start, boolean ``(..., rows)``.

    Args:
        source: notes of the doubled track, boolean ``(..., rows)``.
        strikes: whether one of them starts, boolean ``(...,)``.
        before: notes of the track one step before.
        playable: rows of the track.
        up: semitones.

    """
    cells = F.pad(_lowest(source), (up, -up)) & playable
    return cells, cells & (strikes[..., None] | ~before)


def describe_doubles(cells: Tensor, started: Tensor, playable: Tensor, shape: RollShape) -> tuple[Tensor, Tensor]:
    """Return which beats can double others, and which do: boolean ``(batch, beats, tracks, sources)`` each.

    Args:
        cells: notes, boolean ``(batch, steps, tracks, rows)``.
        started: those that start, of the same shape.
        playable: rows within each track's range, boolean ``(batch, tracks, rows)``.
        shape: of the phrases.

    """
    unit, number = shape.unit, len(sources(shape.drums))
    beats = cells.shape[1] // unit
    can = torch.zeros(len(cells), beats, cells.shape[2], number, dtype=torch.bool, device=cells.device)
    does = torch.zeros_like(can)
    before = F.pad(cells, (0, 0, 0, 0, 1, 0))[:, :-1]
    strikes = started.any(-1)
    for place, source in enumerate(source_tracks(shape.drums)):
        first = place * len(_OCTAVES)
        for track in range(source + 1, cells.shape[2]):
            if shape.drums[track]:
                continue
            rows = playable[:, None, track]
            can[:, :, track, first : first + len(_OCTAVES)] = can_double(cells[:, ::unit, source], rows).movedim(0, -1)
            for number, up in enumerate(_OCTAVES, first):
                made = double(cells[:, :, source], strikes[:, :, source], before[:, :, track], rows, up)
                same = (made[0] == cells[:, :, track]).all(-1) & (made[1] == started[:, :, track]).all(-1)
                does[:, :, track, number] = same.unflatten(1, (beats, unit)).all(2)
    return can, does


def _lowest(cells: Tensor) -> Tensor:
    """Return the lowest of the rows that sound: boolean ``(..., rows)``."""
    return cells & (cells.to(torch.uint8).cumsum(-1, dtype=torch.uint8) == 1)
