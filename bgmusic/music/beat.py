"""Whether a piece has a beat that a grid can follow.

Some files carry a tempo that has nothing to do with their notes: played in freely, or converted from a
format without beats. Their onsets fall anywhere between the beats, and no grid of theirs is music.
"""

from __future__ import annotations

import math

import numpy as np

from bgmusic.music.song import Song

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
    counts = np.bincount(song.notes["onset"] % song.ticks_per_beat)
    places = np.flatnonzero(counts)
    phase, weight = places / song.ticks_per_beat, counts[places] / len(song.notes)
    finest = math.lcm(_COMMON, resolution)
    shares = []
    for steps in (steps for steps in range(_FEWEST, finest + 1) if finest % steps == 0):
        off = phase * steps % 1.0
        shares.append(float(weight[np.minimum(off, 1.0 - off) <= _TOLERANCE].sum()))
    return max(shares)
