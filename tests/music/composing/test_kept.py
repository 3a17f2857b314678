"""Files of which a part is composed anew: all else stays as it is."""

import tempfile
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bgmusic.errors import UserError
from bgmusic.music.composing.kept import read_kept, with_free_units
from bgmusic.music.midi.song import CONTROL, NOTE, TEMPO, TIME_SIGNATURE, Song, sort_notes, table
from bgmusic.music.rolls.midi_files import write_midi
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.shape import RollShape

SHAPE = RollShape(track_set="lpd-5", resolution=4, bars=2, steps=16, encoding="onset")
BEAT = 100  # ticks; a step of the grid is 25
PARTS = (
    ("Drums", 0, 10),
    ("Piano", 0, 1),
    ("Guitar", 27, 2),
    ("Bass", 33, 3),
    ("Strings", 48, 4),
    ("Woodblock", 115, 5),
)
TRACKS = ("Drums", "Piano", "Guitar", "Bass", "Strings")
BARS = 3

notes = st.lists(
    st.tuples(
        st.integers(0, BARS * 4 * BEAT - 1),
        st.integers(1, 500),
        st.integers(40, 50),
        st.integers(1, 127),
        st.integers(0, len(PARTS) - 1),
    ),
    max_size=40,
    unique_by=lambda row: (row[0], row[2], row[4]),
)
new_notes = st.lists(st.tuples(st.integers(0, 4), st.integers(0, BARS * 16 - 1), st.integers(40, 50)), max_size=30)


def a_song(rows):
    """Return a song of whole bars with an instrument that no track collects, controllers and two tempos."""
    last = (BARS * 4 * BEAT - 100, 100, 60, 77, 5)
    made = [(on, length, pitch, hard, PARTS[p][1], p == 0, p) for on, length, pitch, hard, p in [*rows, last]]
    made.append((0, 25, 45, 64, 33, False, 3))  # the network hears something
    return Song(
        BEAT,
        sort_notes(table(NOTE, made)),
        tempos=table(TEMPO, [(0, 90.0), (410, 120.0)]),
        time_signatures=table(TIME_SIGNATURE, [(0, 4, 4)]),
        parts=tuple(name for name, *_ in PARTS),
        channels=tuple(channel for *_, channel in PARTS),
        controls=table(CONTROL, [(30, 3, 7, 90), (55, 1, 64, 127), (90, 1, 64, 0)]),
        end=BARS * 4 * BEAT,
    )


def as_kept(song):
    with tempfile.TemporaryDirectory() as folder:
        write_midi(song, Path(folder) / "song.mid")
        return read_kept(Path(folder) / "song.mid", SHAPE)


def unit_of(tick, beat):
    """Return the beat of a tick on the grid of four steps a beat, halves up."""
    return (2 * tick * 4 + beat) // (2 * beat) // 4


@settings(max_examples=60)
@given(notes, st.lists(st.booleans(), min_size=60, max_size=60), new_notes)
def test_only_free_units_change(rows, bits, composed):
    kept = as_kept(a_song(rows))
    free = np.array(bits).reshape(5, 12)
    free[:, (kept.roll.bars * 4) :] = False
    steps = kept.roll.notes()[:0].copy()
    inside = sorted({row for row in composed if row[1] < kept.roll.bars * 16 and free[row[0], row[1] // 4]})
    steps = np.array([(track, onset, 1, pitch) for track, onset, pitch in inside], steps.dtype)
    roll = Roll.from_notes(steps, SHAPE.track_set, 4, kept.roll.bars, 16, "onset")
    song = with_free_units(kept, SHAPE, free[:, : kept.roll.bars * 4], roll)

    factor = Fraction(song.ticks_per_beat, kept.song.ticks_per_beat)
    beat = kept.song.ticks_per_beat
    expected = []
    for row in kept.song.notes.tolist():
        onset, duration, *rest, part = row
        name = kept.song.parts[part]
        if name in TRACKS:
            track, unit = TRACKS.index(name), unit_of(onset, beat)
            if unit < 12 and free[track, unit]:
                continue
            later = [place for place in range(unit, 12) if free[track, place]]
            if later:
                duration = min(duration, later[0] * beat - onset)
        expected.append((onset * factor, duration * factor, *rest, part))
    left = song.notes.tolist()
    for row in expected:
        left.remove(row)
    assert len(left) == len(inside)
    placed = {(TRACKS.index(song.parts[row[-1]]), row[0] * 4 // song.ticks_per_beat, row[2]) for row in left}
    assert placed == set(inside)
    begins = {(row[-1], row[2], row[0]) for row in expected}
    for onset, duration, pitch, *_, part in left:  # no note of a pitch and part begins within a new one
        assert not any((part, pitch, tick) in begins for tick in range(onset + 1, onset + duration))
    for name in ("tempos", "controls", "time_signatures"):
        before, after = getattr(kept.song, name).copy(), getattr(song, name)
        before["tick"] = before["tick"] * factor
        assert np.array_equal(before, after)


def test_new_notes_are_played_by_the_part_of_their_track():
    song = a_song([(0, 50, 45, 30, 3), (200, 50, 45, 100, 3), (0, 50, 50, 10, 1)])
    kept = as_kept(song)
    rows = [(3, 16, 4, 41), (4, 16, 4, 60), (0, 16, 1, 42)]
    roll = Roll.from_notes(np.array(rows, kept.roll.notes().dtype), SHAPE.track_set, 4, kept.roll.bars, 16, "onset")
    free = np.zeros((5, kept.roll.bars * 4), bool)
    free[:, 4:8] = True
    made = with_free_units(kept, SHAPE, free, roll, bpm=70)
    new = {made.parts[row[-1]]: row for row in made.notes.tolist() if row[0] == 4 * made.ticks_per_beat}
    assert (new["Bass"][3], new["Bass"][4]) == (64, 33)  # the median of 30, 64 and 100; the program of the file
    assert set(new) == {"Bass", "Strings", "Drums"}  # the file had neither drums nor strings
    assert new["Drums"][5]
    assert len(set(made.channels)) == len(made.channels)
    assert made.channels[made.parts.index("Drums")] == 10
    assert made.tempos.tolist() == [(0, 70.0)]


def test_bars_of_other_lengths_stay():
    metres = table(TIME_SIGNATURE, [(0, 3, 4), (300, 4, 4), (1100, 3, 4)])
    song = replace(a_song([(10, 90, 45, 30, 3), (390, 60, 45, 31, 3), (1110, 80, 45, 32, 3)]), time_signatures=metres)
    with pytest.warns(UserWarning, match="bars differ"):
        kept = as_kept(song)
    assert (kept.roll.bars, kept.start, kept.more) == (2, 12, True)
    free = np.ones((5, 8), bool)
    silent = Roll.from_notes(kept.roll.notes()[:0], SHAPE.track_set, 4, 2, 16, "onset")
    made = with_free_units(kept, SHAPE, free, silent)
    bass = [row for row in made.notes.tolist() if made.parts[row[-1]] == "Bass"]
    assert [row[3] for row in bass] == [64, 30, 32]
    with pytest.raises(UserError, match="bars have"):
        as_kept(replace(song, time_signatures=table(TIME_SIGNATURE, [(0, 3, 4)])))
