"""Hypothesis strategies for notes and rolls."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.tracks import TrackSet

LPD_5 = TrackSet.load("lpd-5")


@st.composite
def wild_notes(draw, steps=32):
    """Draw rows of (track, onset, duration, pitch) of lpd-5 within ``steps`` steps, on few pitches."""
    pitches = st.sampled_from([24, 60, 61, 107])
    row = st.tuples(st.integers(0, 4), st.integers(0, steps - 1), st.integers(1, 8), pitches)
    rows = draw(st.lists(row, max_size=60))
    return [(t, onset, 1 if t == 0 else min(length, steps - onset), p) for t, onset, length, p in rows]


@st.composite
def phrases(draw):
    """Draw rolls of lpd-5 with random cells and onsets, like those of an untrained network."""
    bars, beats = draw(st.integers(1, 2)), draw(st.sampled_from([3, 4]))
    resolution = draw(st.sampled_from([1, 2, 4, 12]))
    rng = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    density = draw(st.sampled_from([0.0, 0.01, 0.3, 0.9]))
    shape = (5, bars, beats * resolution, 84)
    onsets = rng.random(shape) < density / 2 if draw(st.booleans()) else None
    return Roll(LPD_5, resolution, rng.random(shape) < density, onsets)
