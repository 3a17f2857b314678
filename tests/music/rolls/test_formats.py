"""Every cell of the tables in docs/guide/formats.md that says "kept" is checked by a round trip."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bgmusic.music.midi.read import read_midi
from bgmusic.music.midi.song import (
    BEND,
    CONTROL,
    KEY_SIGNATURE,
    NOTE,
    TEMPO,
    TIME_SIGNATURE,
    Song,
    map_of,
    sort_notes,
    table,
)
from bgmusic.music.midi.write import song_bytes
from bgmusic.music.rolls.grid import quantise
from bgmusic.music.rolls.interop.musegan import from_musegan, to_musegan
from bgmusic.music.rolls.interop.note_rows import notes_from_rows
from bgmusic.music.rolls.phrase_files import read_phrases
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.tracks import TrackSet

GUIDE = Path(__file__).parents[3] / "docs/guide/formats.md"
LPD_5 = TrackSet.load("lpd-5")
STEPS = 12  # per beat of the grid
BEAT = 480
STEP = BEAT // STEPS


def cells(heading):
    """Return {(row, column): text} of the table below a heading of the guide."""
    lines = GUIDE.read_text(encoding="utf-8").split(f"## {heading}\n")[1].split("\n## ")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return {(row[0], name): text for row in rows[2:] for name, text in zip(rows[0][1:], row[1:], strict=True)}


def kept(heading):
    return [place for place, text in cells(heading).items() if text.startswith("kept")]


def a_song():
    """Return a song that uses everything in the table; its notes are on a grid of 12 steps per beat."""
    rows = [
        *((beat * BEAT, STEP, 36, 90 + beat, 0, True, 0) for beat in range(7)),
        (0, BEAT, 60, 80, 4, False, 1),
        (BEAT, BEAT, 60, 80, 4, False, 1),  # repeated at once
        (2 * BEAT, 5 * STEP, 64, 1, 4, False, 1),
        (3 * BEAT, 2 * BEAT, 67, 127, 4, False, 1),
        (0, 3 * BEAT, 40, 70, 33, False, 2),
        (5 * BEAT, 2 * BEAT, 43, 71, 33, False, 2),
    ]
    controls = [
        (0, 1, 64, 127),
        (BEAT, 2, 7, 90),
        (BEAT, 2, BEND, -8192),
        (2 * BEAT, 2, BEND, 8191),
        (3 * BEAT, 1, 64, 0),
    ]
    return Song(
        BEAT,
        np.sort(table(NOTE, rows), order=["onset", "part", "pitch"]),
        tempos=table(TEMPO, [(0, 60e6 / 400_000), (3 * BEAT, 60e6 / 700_001), (3 * BEAT + STEP, 60e6 / 400_000)]),
        time_signatures=table(TIME_SIGNATURE, [(0, 3, 4), (3 * BEAT, 2, 4)]),
        key_signatures=table(KEY_SIGNATURE, [(0, -3, True), (3 * BEAT, 6, False), (5 * BEAT, 0, True)]),
        parts=("Drums é", "Клавиши", "Bass"),
        end=11 * BEAT,
        title="Песня",
        controls=table(CONTROL, controls),
    )


SONGS = {
    "MIDI file": lambda song: read_midi(song_bytes(song), controls=True),
    "pretty_midi": lambda song: Song.from_pretty_midi(song.to_pretty_midi()),
    "muspy": lambda song: Song.from_muspy(song.to_muspy()),
    "pypianoroll": lambda song: Song.from_pypianoroll(song.to_pypianoroll(STEPS)),
}


def in_ticks(song, rows):
    """Return rows with their ticks in those of ``a_song``."""
    return [(row[0] * BEAT / song.ticks_per_beat, *row[1:]) for row in rows.tolist()]


def notes(song, *names):
    rows = song.notes.copy()
    for name in ("onset", "duration"):
        rows[name] = rows[name] * BEAT // song.ticks_per_beat
    return sorted(rows[list(names)].tolist())


def same_notes(song, again, name):
    assert notes(again, "onset", "duration", "pitch") == notes(song, "onset", "duration", "pitch")


def same_values(column):
    def check(song, again, name):
        exact = notes(song, "onset", "pitch", column)
        slack = int(name == "pypianoroll" and column == "velocity")  # repeated notes differ by one
        for one, other in zip(exact, notes(again, "onset", "pitch", column), strict=True):
            assert one[:2] == other[:2]
            assert abs(int(one[2]) - int(other[2])) <= slack

    return check


def same_maps(column, digits=6):
    def check(song, again, name):
        expected, found = in_ticks(song, getattr(song, column)), in_ticks(again, getattr(again, column))
        assert [tuple(np.round(row, digits)) for row in found] == [tuple(np.round(row, digits)) for row in expected]

    return check


def same_names(song, again, name):
    def named(one):
        return {(one.parts[note["part"]], int(note["program"])) for note in one.notes}

    assert named(again) == named(song)


def same_title(song, again, name):
    assert again.title == song.title


def same_pickup(song, again, name):
    times = table(TIME_SIGNATURE, [(0, 4, 4)])
    short = replace(song, pickup=BEAT, time_signatures=times, key_signatures=table(KEY_SIGNATURE))
    bars = [quantise(one, LPD_5, STEPS).bar_starts.tolist()[:3] for one in (short, SONGS[name](short))]
    assert bars[0] == bars[1] == [0, STEPS, 5 * STEPS]


def same_controls(bends):
    def check(song, again, name):
        def events(one):
            chosen = one.controls[(one.controls["number"] == BEND) == bends]
            rows = chosen.tolist()
            return sorted((tick / one.ticks_per_beat, one.parts[part], *rest) for tick, part, *rest in rows)

        assert events(again) == events(song)

    return check


def same_end(song, again, name):
    assert again.end * BEAT / again.ticks_per_beat == song.end


def same_notes_off_grid(song, again, name):
    moved = song.notes.copy()
    moved["onset"] += 7
    song = replace(song, notes=moved)
    same_notes(song, SONGS[name](song), name)


def same_overlaps(song, again, name):
    rows = [(0, 4 * BEAT, 60, 80, 0, False, 0), (BEAT, BEAT, 60, 90, 0, False, 0)]
    song = replace(song, notes=table(NOTE, rows))
    same_notes(song, SONGS[name](song), name)


SONG_CHECKS = {
    "notes on the grid": same_notes,
    "notes between steps": same_notes_off_grid,
    "repeated notes": same_notes,
    "overlapping notes of one pitch": same_overlaps,
    "velocities": same_values("velocity"),
    "programs": same_values("program"),
    "drums": same_values("is_drum"),
    "names of parts": same_names,
    "title": same_title,
    "tempo map": same_maps("tempos", 3),
    "time signatures": same_maps("time_signatures"),
    "pickup": same_pickup,
    "key signatures": same_maps("key_signatures"),
    "controllers": same_controls(bends=False),
    "pitch bends": same_controls(bends=True),
    "silence at the end": same_end,
}


@pytest.mark.parametrize(("row", "column"), kept("Songs"))
def test_songs(row, column):
    song = a_song()
    SONG_CHECKS[row](song, SONGS[column](song), column)


@st.composite
def songs(draw):
    """Draw songs with any notes (overlapping or not), tempos, keys, controllers and bends."""
    beat = draw(st.sampled_from([24, 96, 480, 1000]))
    tick = st.integers(0, 16 * beat)
    row = st.tuples(tick, st.integers(1, 4 * beat), st.integers(0, 127), st.integers(1, 127))
    parts = [
        (program, is_drum, number) for number, (program, is_drum) in enumerate([(0, False), (5, False), (0, True)])
    ]
    drawn = draw(st.lists(st.tuples(row, st.sampled_from(parts)), min_size=1, max_size=20))
    control = st.one_of(
        st.tuples(tick, st.integers(0, 2), st.integers(0, 127), st.integers(0, 127)),
        st.tuples(tick, st.integers(0, 2), st.just(BEND), st.integers(-8192, 8191)),
    )
    beats = draw(st.dictionaries(tick, st.integers(100_000, 3_000_000), max_size=4))
    keys = draw(st.dictionaries(tick, st.tuples(st.integers(-5, 6), st.booleans()), max_size=3))
    sounding = {part for _, (_, _, part) in drawn}
    controls = [one for one in draw(st.lists(control, max_size=8)) if one[1] in sounding]
    return Song(
        beat,
        sort_notes(table(NOTE, [(*one, *part) for one, part in drawn])),
        tempos=map_of(TEMPO, [(0, 120.0), *((at, 60e6 / micro) for at, micro in beats.items())]),
        key_signatures=map_of(KEY_SIGNATURE, [(at, *one) for at, one in keys.items()]),
        parts=("a", "ж", "é"),
        controls=table(CONTROL, sorted(controls, key=lambda one: one[0])),
    )


@pytest.mark.parametrize("column", ["pretty_midi", "muspy"])
@settings(deadline=None, max_examples=20)
@given(songs())
def test_any_song(column, song):
    again = SONGS[column](song)
    scale = again.ticks_per_beat // song.ticks_per_beat
    everything = ["onset", "duration", "pitch", "velocity", "program", "is_drum"]
    expected, found = song.notes[everything], again.notes[everything].copy()
    for name in ("onset", "duration"):
        found[name] //= scale
    assert sorted(found.tolist()) == sorted(expected.tolist())
    assert [(at // scale, *rest) for at, *rest in again.key_signatures.tolist()] == song.key_signatures.tolist()
    for at in range(0, 16 * song.ticks_per_beat, 7):
        rows = [
            np.searchsorted(one.tempos["tick"], at * by, side="right") - 1 for one, by in ((song, 1), (again, scale))
        ]
        assert again.tempos["bpm"][rows[1]] == pytest.approx(song.tempos["bpm"][rows[0]], rel=1e-5)
    if column == "pretty_midi":
        same_controls(bends=True)(song, again, column)
        same_controls(bends=False)(song, again, column)


def a_roll():
    rows = [(0, 0, 1, 36), (1, 0, 18, 60), (1, 18, 18, 60), (1, 40, 7, 62), (3, 3, 30, 40), (4, 36, 36, 72)]
    tempos = ((0, 60e6 / 400_000), (36, 60e6 / 700_000))
    roll = Roll.from_notes(notes_from_rows(rows), LPD_5, STEPS, 4, 3 * STEPS)
    return replace(roll, metre=(6, 8), tempos=tempos)


def by_npz(roll, folder):
    roll.save(folder / "roll.npz")
    phrases, _ = read_phrases(folder / "roll.npz")
    return phrases.roll(0)


def by_midi(roll, folder):
    roll.save(folder / "roll.mid")
    return Roll.from_song(read_midi(folder / "roll.mid"), LPD_5, STEPS)


ROLLS = {
    "npz": by_npz,
    "MIDI file": by_midi,
    "pretty_midi": lambda roll, _: Roll.from_pretty_midi(roll.to_pretty_midi(), LPD_5, STEPS),
    "muspy": lambda roll, _: Roll.from_muspy(roll.to_muspy(), LPD_5, STEPS),
    "pypianoroll": lambda roll, _: Roll.from_pypianoroll(roll.to_pypianoroll(), LPD_5, STEPS),
    "MuseGAN's arrays": lambda roll, _: from_musegan(to_musegan([roll]), LPD_5, STEPS)[0],
}
ROLL_VALUES = {
    "notes": lambda roll: roll.notes().tolist(),
    "track set and resolution": lambda roll: (roll.track_set.to_dict(), roll.resolution),
    "metre": lambda roll: roll.metre,
    "tempo map": lambda roll: [(step, round(bpm, 6)) for step, bpm in roll.tempos],
    "silent bars at the end": lambda roll: roll.bars,
}


@pytest.mark.parametrize(("row", "column"), kept("Rolls"))
def test_rolls(row, column, tmp_path):
    roll = a_roll()
    assert ROLL_VALUES[row](ROLLS[column](roll, tmp_path)) == ROLL_VALUES[row](roll)


def test_each_row_and_column_of_the_guide_has_a_check():
    for heading, rows, columns in (("Songs", SONG_CHECKS, SONGS), ("Rolls", ROLL_VALUES, ROLLS)):
        assert {row for row, _ in cells(heading)} == set(rows)
        assert {column for _, column in cells(heading)} == set(columns)
