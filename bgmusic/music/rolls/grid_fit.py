"""Measure how well the onsets of a song fit a grid.

The tempo of some files is unrelated to their notes: they were recorded freely, or converted from a format without
beats. Their onsets fall anywhere between the beats, so quantizing them destroys the rhythm.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

from bgmusic.music.midi.song import Song
from bgmusic.music.rolls.checks import require_resolution

# Measured on Freedoom's 66 songs: ten without a usable beat have 0.51 to 0.66 (0.66 with 67 notes), one in 32nds with a
# third of its notes off any grid has 0.83, the others 0.94 and more.
USABLE_BEAT = 0.75
_TOLERANCE = 0.25  # steps
_FEWEST = 3  # steps per beat of the coarsest grid: onsets are always near a coarser one
_COMMON = 24  # steps per beat of a grid with both 32nds and triplets


def grid_fit(song: Song, resolution: int) -> float:
    """Return the share of a song's onsets that lie within a quarter step of a grid.

    The result is that of the best grid: one of ``resolution`` steps per beat, one with 32nds and triplets, or a coarser
    one within these. A coarse grid allows for tracks that are slightly late.

    Args:
        song: the song.
        resolution: steps per beat.

    Returns:
        0 to 1; random onsets give 0.5. Below ``USABLE_BEAT``, the song's beat is unusable.

    Raises:
        TypeError: ``resolution`` is not an integer.
        UserError: it is out of range.

    """
    require_resolution(resolution)
    if not len(song.notes):
        return 1.0
    # Onsets have few distinct places within the beat: check each once.
    onset = song.notes["onset"]
    counts = np.bincount(onset - onset // song.ticks_per_beat * song.ticks_per_beat)
    places = np.flatnonzero(counts)
    off = places / song.ticks_per_beat * _grids(resolution) % 1.0
    near = np.minimum(off, 1.0 - off) <= _TOLERANCE
    return int((near * counts[places]).sum(axis=1).max()) / len(onset)


@cache
def _grids(resolution: int) -> NDArray[np.int64]:
    """Return the steps per beat of all grids, int64 ``(grids, 1)``."""
    finest = math.lcm(_COMMON, resolution)
    return np.array([[steps] for steps in range(_FEWEST, finest + 1) if finest % steps == 0])
