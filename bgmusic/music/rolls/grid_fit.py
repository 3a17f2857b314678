"""Whether a piece has a beat that a grid can follow.

Some files carry a tempo that has nothing to do with their notes: played in freely, or converted from a
format without beats. Their onsets fall anywhere between the beats, and no grid of theirs is music.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

from bgmusic.music.midi.song import Song

# Measured on Freedoom's 66 songs: ten without a usable beat have 0.51 to 0.66 (that one has 67 notes), one in
# thirty-seconds with a third of its notes off any grid 0.83, the others 0.94 and more.
USABLE_BEAT = 0.75
_TOLERANCE = 0.25  # steps
_FEWEST = 3  # steps a beat of the coarsest grid that tells anything
_COMMON = 24  # steps a beat that hold thirty-seconds and triplets


def grid_fit(song: Song, resolution: int) -> float:
    """The share (0 to 1) of a song's onsets that lie within a quarter step of a grid.

    Of the grid of ``resolution`` steps a beat and the coarser ones within it (4 and 3 in 12, ...) the one
    that fits best counts: a track that is late by a little is still in time on a coarse grid. Onsets that
    fall anywhere give 0.5; below ``USABLE_BEAT`` the piece's beat is unusable.
    """
    if not len(song.notes):
        return 1.0
    # Onsets share few places within the beat: each is looked at once.
    onset = song.notes["onset"]
    counts = np.bincount(onset - onset // song.ticks_per_beat * song.ticks_per_beat)
    places = np.flatnonzero(counts)
    off = places / song.ticks_per_beat * _grids(resolution) % 1.0
    near = np.minimum(off, 1.0 - off) <= _TOLERANCE
    return int((near * counts[places]).sum(axis=1).max()) / len(onset)


@cache
def _grids(resolution: int) -> NDArray[np.int64]:
    """Steps a beat of all grids that are tried, shape (grids, 1)."""
    finest = math.lcm(_COMMON, resolution)
    return np.array([[steps] for steps in range(_FEWEST, finest + 1) if finest % steps == 0])
