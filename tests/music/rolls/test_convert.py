"""Conversions to other libraries and back: every note on the grid survives."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from wild import phrases

from bgmusic.errors import UserError
from bgmusic.music.midi.read import read_midi
from bgmusic.music.midi.song import NOTE, TEMPO, TIME_SIGNATURE, Song, table
from bgmusic.music.rolls.grid import quantise
from bgmusic.music.rolls.interop.musegan import from_musegan, to_musegan
from bgmusic.music.rolls.interop.muspy import from_muspy, to_muspy
from bgmusic.music.rolls.interop.note_rows import notes_from_rows
from bgmusic.music.rolls.interop.pretty_midi import from_pretty_midi, to_pretty_midi
from bgmusic.music.rolls.interop.pypianoroll import from_pypianoroll, to_pypianoroll
from bgmusic.music.rolls.midi_files import midi_bytes
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.tracks import TrackSet

with warnings.catch_warnings():
    # These libraries use deprecated functions of others.
    warnings.simplefilter("ignore")
    import muspy
    import pretty_midi
    import pypianoroll

LPD_5 = TrackSet.load("lpd-5")


def a_roll(encoding="onset"):
    rows = [
        *((0, 4 * beat, 1, 36) for beat in range(8)),
        *((0, step, 1, 42) for step in range(32)),
        (1, 0, 16, 60),
        (1, 16, 8, 60),
        (1, 24, 1, 60),
        (1, 25, 1, 60),
        (3, 0, 4, 28),
        (3, 4, 28, 28),
        (4, 2, 30, 107),
    ]
    return Roll.from_notes(notes_from_rows(rows), LPD_5, 4, 2, 16, encoding)


def back(song, roll):
    """Quantize a song to the roll's grid; no note may move or get lost."""
    piece = quantise(song, LPD_5, roll.resolution)
    assert piece.losses.moved == 0
    assert piece.losses.kept == piece.losses.notes
    return piece.notes


TRIPS = {
    "pypianoroll": lambda roll: from_pypianoroll(to_pypianoroll(roll)),
    "muspy": lambda roll: from_muspy(to_muspy(roll.to_song())),
    "pretty_midi": lambda roll: from_pretty_midi(to_pretty_midi(roll.to_song())),
}


@pytest.mark.parametrize("library", TRIPS)
@settings(deadline=None, max_examples=15)
@given(phrases())
def test_any_roll_survives_the_round_trip(library, roll):
    if len(roll.notes()):
        assert np.array_equal(back(TRIPS[library](roll), roll), roll.notes())


@pytest.mark.parametrize("library", TRIPS)
def test_tempo_bars_names_and_programs_survive(library):
    song = TRIPS[library](a_roll())
    assert song.bpm == pytest.approx(120)
    assert song.time_signatures[["numerator", "denominator"]].tolist() == [(4, 4)]
    assert np.array_equal(back(song, a_roll()), a_roll().notes())
    sounding = {(song.parts[n["part"]], int(n["program"]), bool(n["is_drum"])) for n in song.notes}
    assert sounding == {("Drums", 0, True), ("Piano", 0, False), ("Bass", 33, False), ("Strings", 48, False)}


def test_pypianoroll_has_the_cells():
    roll = a_roll()
    multitrack = to_pypianoroll(roll, bpm=90)
    multitrack.validate()
    assert multitrack.resolution == 4
    assert multitrack.tempo.shape == (32,)
    for plane, track in zip(roll.cells.reshape(5, 32, 84), multitrack.tracks, strict=True):
        assert np.array_equal(track.pianoroll[:, 24:108] > 0, plane)
    assert np.flatnonzero(multitrack.downbeat).tolist() == [0, 16]


def test_pypianoroll_files_round_trip(tmp_path):
    roll = a_roll()
    to_pypianoroll(roll).save(str(tmp_path / "roll.npz"))
    song = from_pypianoroll(pypianoroll.load(str(tmp_path / "roll.npz")))
    assert np.array_equal(back(song, roll), roll.notes())


def test_pypianoroll_pickups_and_metres():
    plane = np.zeros((40, 128), dtype=np.bool_)
    plane[0:40, 60] = True
    downbeat = np.zeros(40, dtype=np.bool_)
    downbeat[[4, 16, 28]] = True
    track = pypianoroll.BinaryTrack(name="x", program=3, is_drum=False, pianoroll=plane)
    song = from_pypianoroll(
        pypianoroll.Multitrack(resolution=4, tempo=np.full(40, 100.0), downbeat=downbeat, tracks=[track])
    )
    assert (song.pickup, song.bpm) == (4, 100)
    assert quantise(song, LPD_5, 4).bar_starts.tolist() == [0, 4, 16, 28, 40]


def test_muspy_has_the_notes():
    music = to_muspy(a_roll().to_song(bpm=90))
    music.validate()
    assert music.resolution == 4
    assert [t.qpm for t in music.tempos] == [90]
    drums, piano, bass, strings = music.tracks
    assert (drums.is_drum, len(drums.notes)) == (True, 40)
    assert [(n.time, n.duration, n.pitch) for n in piano.notes] == [(0, 16, 60), (16, 8, 60), (24, 1, 60), (25, 1, 60)]
    assert (bass.program, strings.program) == (33, 48)


def test_pretty_midi_has_the_notes_in_seconds():
    midi = to_pretty_midi(a_roll().to_song(bpm=60))
    piano = next(i for i in midi.instruments if i.name == "Piano")
    # A step is a quarter of a second.
    assert [(n.start, n.end, n.pitch) for n in piano.notes] == [(0, 4, 60), (4, 6, 60), (6, 6.25, 60), (6.25, 6.5, 60)]
    assert midi.resolution == 480


def test_names_survive_although_pretty_midi_reads_latin_1():
    rows = table(NOTE, [(0, 4, 60, 64, 0, False, 0)])
    song = Song(4, rows, parts=("Клавиши",))
    assert to_muspy(song).tracks[0].name == "Клавиши"
    assert from_pretty_midi(to_pretty_midi(song)).parts == ("Клавиши",)


def test_tempo_changes_keep_their_ticks():
    song = Song(
        480,
        table(NOTE, [(beat * 480, 480, 60 + beat, 64, 0, False, 0) for beat in range(8)]),
        tempos=np.array([(0, 60.0), (960, 120.0)], dtype=[("tick", np.int64), ("bpm", np.float64)]),
        parts=("x",),
    )
    midi = to_pretty_midi(song)
    assert [n.start for n in midi.instruments[0].notes[:5]] == pytest.approx([0, 1, 2, 2.5, 3])
    again = from_pretty_midi(midi)
    assert again.notes["onset"].tolist() == song.notes["onset"].tolist()
    assert again.tempos["tick"].tolist() == [0, 960]
    assert again.tempos["bpm"] == pytest.approx(song.tempos["bpm"])


def test_other_libraries_read_our_files(tmp_path):
    path = tmp_path / "roll.mid"
    path.write_bytes(midi_bytes(a_roll()))
    expected = sorted((t * 120, d * 120, p) for _, t, d, p in a_roll().notes().tolist())
    music = muspy.read_midi(path)
    assert music.resolution == 480
    assert sorted((n.time, n.duration, n.pitch) for t in music.tracks for n in t.notes) == expected
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        midi = pretty_midi.PrettyMIDI(str(path))
    ticks = midi.time_to_tick
    theirs = [(ticks(n.start), ticks(n.end) - ticks(n.start), n.pitch) for i in midi.instruments for n in i.notes]
    assert sorted(theirs) == expected


def test_musegan_layout():
    roll = a_roll("pause")
    phrases = to_musegan([roll, a_roll("onset")])
    assert (phrases.shape, phrases.dtype) == ((2, 2, 16, 84, 5), np.bool_)
    assert np.array_equal(phrases[0, 1, 3, :, 2], roll.cells[2, 1, 3])
    assert np.array_equal(phrases[0], phrases[1])
    again = from_musegan(phrases.astype(np.float32), LPD_5, 4)
    assert np.array_equal(again[0].cells, roll.cells)
    with pytest.raises(UserError, match="one roll or more"):
        to_musegan([])
    with pytest.raises(UserError, match="batch, bars, steps, pitches, tracks"):
        from_musegan(phrases[0], LPD_5, 4)


@pytest.mark.parametrize(
    ("note", "program", "reason"), [((-1, 60, 4), 0, "before"), ((0, 200, 4), 0, "pitch"), ((0, 60, 4), 128, "pitch")]
)
def test_values_outside_the_range_of_midi_are_refused(note, program, reason):
    with pytest.raises(UserError, match=reason):
        from_muspy(muspy.Music(resolution=4, tracks=[muspy.Track(program=program, notes=[muspy.Note(*note)])]))


def test_music_without_notes_is_refused():
    with pytest.raises(UserError, match="no notes"):
        from_muspy(muspy.Music(resolution=4))
    with pytest.raises(UserError, match="no notes"):
        from_pretty_midi(pretty_midi.PrettyMIDI())
    with pytest.raises(UserError, match="no notes"):
        from_pypianoroll(pypianoroll.Multitrack(resolution=4))


def test_a_pickup_is_written_as_a_short_first_bar():
    rows = table(NOTE, [(0, 4 * 9, 60, 64, 0, False, 0)])
    song = Song(4, rows, time_signatures=table(TIME_SIGNATURE, [(0, 3, 4)]), parts=("",), pickup=4)
    again = read_midi(midi_bytes(song))
    assert quantise(again, LPD_5, 4).bar_starts.tolist() == quantise(song, LPD_5, 4).bar_starts.tolist()


def test_pieces_too_long_or_too_slow_for_midi_are_refused():
    note = table(NOTE, [(1 << 40, 4, 60, 64, 0, False, 0)])
    with pytest.raises(UserError, match="too many for a MIDI file"):
        midi_bytes(Song(480, note, parts=("",)))
    with pytest.raises(UserError, match="a tempo of 1 "):
        midi_bytes(a_roll(), bpm=1)


def test_muspy_keeps_a_pickup():
    rows = table(NOTE, [(0, 4 * 9, 60, 64, 0, False, 0)])
    song = Song(4, rows, time_signatures=table(TIME_SIGNATURE, [(0, 3, 4)]), parts=("",), pickup=4)
    expected = quantise(song, LPD_5, 4).bar_starts.tolist()
    assert quantise(from_muspy(to_muspy(song)), LPD_5, 4).bar_starts.tolist() == expected


def test_pypianoroll_gives_the_metre_of_a_single_bar():
    plane = np.zeros((12, 128), dtype=np.bool_)
    plane[:, 60] = True
    track = pypianoroll.BinaryTrack(name="x", program=3, is_drum=False, pianoroll=plane)
    downbeat = np.arange(12) == 0
    song = from_pypianoroll(
        pypianoroll.Multitrack(resolution=4, tempo=np.full(12, 100.0), downbeat=downbeat, tracks=[track])
    )
    assert quantise(song, LPD_5, 4).metres.tolist() == [[3, 4]]


def test_the_slowest_readable_tempo_can_be_written():
    song = replace(a_roll().to_song(), tempos=table(TEMPO, [(0, 60e6 / 0xFFFFFF)]))
    assert read_midi(midi_bytes(song)).bpm == pytest.approx(60e6 / 0xFFFFFF)
