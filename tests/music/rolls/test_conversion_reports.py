"""Music like that of public bug reports, written and converted; docs/notes/reports.md lists the sources."""

from __future__ import annotations

import io

import mido
import muspy
import numpy as np
import pretty_midi
import pypianoroll
import pytest
from midi_maker import control, midi, off, on, program, track

from bgmusic.errors import UserError
from bgmusic.music.midi.read import read_midi
from bgmusic.music.midi.song import CONTROL, KEY_SIGNATURE, NOTE, TEMPO, TIME_SIGNATURE, Song, table
from bgmusic.music.midi.write import song_bytes
from bgmusic.music.rolls.interop.keys import fifths_of_name, fifths_of_root, root_of_fifths

BEAT = 480


def a_song(**about):
    """Return a song with one note in each of four parts: piano, violin, kick and snare."""
    rows = [(0, BEAT, 60, 80, 0, False, 0), (0, BEAT, 72, 90, 40, False, 1)]
    rows += [(0, BEAT, 36, 100, 0, True, 2), (BEAT, BEAT, 38, 100, 0, True, 3)]
    return Song(BEAT, table(NOTE, rows), parts=("piano", "violin", "kick", "snare"), **about)


def by_mido(song):
    return mido.MidiFile(file=io.BytesIO(song_bytes(song)))


def test_tracks_written_have_channels_of_their_own():
    """Two tracks of different programs were written to one channel (symusic 22)."""
    programs = {}
    for message in (message for one in by_mido(a_song()).tracks for message in one):
        if message.type == "program_change":
            programs.setdefault(message.channel, set()).add(message.program)
    assert programs == {0: {0}, 1: {40}, 9: {0}}


def test_drums_of_several_tracks_stay_drums():
    """Of several tracks of drums, some came back as pitched (magenta 188)."""
    again = read_midi(song_bytes(a_song()))
    assert again.notes[["pitch", "is_drum"]].tolist() == [(60, False), (72, False), (36, True), (38, True)]


def test_programs_of_unused_channels_move_no_other():
    """Channels without notes shifted the programs of those after them (magenta 1464)."""
    unused = [(0, program(80 + channel, channel)) for channel in (4, 5)]
    used = [
        (0, program(30, 6)),
        (0, program(33, 7)),
        (0, on(60, 6)),
        (0, on(40, 7)),
        (BEAT, off(60, 6)),
        (0, off(40, 7)),
    ]
    song = read_midi(midi(track([*unused, *used]), kind=0))
    assert song.notes[["pitch", "program"]].tolist() == [(60, 30), (40, 33)]
    assert read_midi(song_bytes(song)).notes[["pitch", "program"]].tolist() == [(60, 30), (40, 33)]


def test_tempo_changes_written_leave_durations_alone():
    """Three tempos became seven when written, and the piece longer (symusic 48)."""
    tempos = table(TEMPO, [(0, 120.0), (BEAT, 100.0), (2 * BEAT, 120.0)])
    song = a_song(tempos=tempos)
    assert read_midi(song_bytes(song)).tempos.tolist() == tempos.tolist()
    messages = [message for one in by_mido(song).tracks for message in one if message.type == "set_tempo"]
    assert len(messages) == 3


def test_pedals_written_are_read_back():
    """Pedals were not the same after writing and reading (symusic 74)."""
    pedal = [(0, 64, 127), (240, 64, 0), (240, 64, 127), (480, 64, 0)]
    song = a_song(controls=table(CONTROL, [(tick, 0, number, value) for tick, number, value in pedal]))
    again = read_midi(song_bytes(song), controls=True)
    assert again.controls[["tick", "number", "value"]].tolist() == pedal
    (piano,) = [one for one in song.to_pretty_midi().instruments if one.name == "piano"]
    assert [(event.number, event.value) for event in piano.control_changes] == [row[1:] for row in pedal]


@pytest.mark.parametrize("minor", [False, True])
@pytest.mark.parametrize("fifths", range(-7, 8))
def test_key_signatures_written_are_valid(fifths, minor):
    """Keys with flats were written with invalid bytes (music21 149)."""
    song = a_song(key_signatures=table(KEY_SIGNATURE, [(0, fifths, minor)]))
    (key,) = [message.key for one in by_mido(song).tracks for message in one if message.type == "key_signature"]
    assert fifths_of_name(key.removesuffix("m"), minor) == fifths
    assert key.endswith("m") == minor
    assert Song.from_muspy(song.to_muspy()).key_signatures.tolist() == [(0, fifths, minor)]
    (other,) = Song.from_pretty_midi(song.to_pretty_midi()).key_signatures.tolist()
    assert other[1] == fifths_of_root(root_of_fifths(fifths, minor), minor)
    assert (other[1] - fifths) % 12 == 0


def test_metre_changes_are_written():
    """Time signatures after the first were not written (music21 1224)."""
    song = a_song(time_signatures=table(TIME_SIGNATURE, [(0, 3, 8), (720, 5, 4)]))
    midi_again = pretty_midi.PrettyMIDI(io.BytesIO(song_bytes(song)))
    written = [(one.numerator, one.denominator) for one in midi_again.time_signature_changes]
    assert written == [(3, 8), (5, 4)]


def test_writing_and_reading_pretty_midi_is_lossless(tmp_path):
    """Writing and reading a PrettyMIDI should keep what it stores (pretty_midi 52)."""
    times = table(TIME_SIGNATURE, [(0, 6, 8)])
    song = a_song(time_signatures=times, tempos=table(TEMPO, [(0, 90.0)]))
    song.to_pretty_midi().write(str(tmp_path / "song.mid"))
    again = read_midi(tmp_path / "song.mid")
    assert again.time_signatures.tolist() == times.tolist()
    assert again.bpm == pytest.approx(90, rel=1e-4)
    assert sorted(again.notes[["onset", "duration", "pitch", "velocity", "program"]].tolist()) == sorted(
        song.notes[["onset", "duration", "pitch", "velocity", "program"]].tolist()
    )


@pytest.mark.parametrize(("pitch", "velocity", "start"), [(128, 64, 0), (-1, 64, 0), (60, 64, -0.5), (60, 64, np.nan)])
def test_notes_out_of_range_are_refused(pitch, velocity, start):
    """A pitch over 127 failed in the writer, far from its cause (pretty_midi 177); negative times (pretty_midi 173)."""
    given = pretty_midi.PrettyMIDI()
    given.instruments.append(pretty_midi.Instrument(0))
    given.instruments[0].notes.append(pretty_midi.Note(velocity, pitch, start, 1.0))
    with pytest.raises(UserError, match="PrettyMIDI"):
        Song.from_pretty_midi(given)


@pytest.mark.parametrize(("velocity", "expected"), [(0, 1), (300, 127), (99.6, 99)])
def test_velocities_out_of_range_are_clamped(velocity, expected):
    """A velocity over 127 failed in the writer (pretty_midi 177)."""
    given = pretty_midi.PrettyMIDI()
    given.instruments.append(pretty_midi.Instrument(0))
    given.instruments[0].notes.append(pretty_midi.Note(velocity, 60, 0.0, 1.0))
    assert Song.from_pretty_midi(given).notes["velocity"].tolist() == [expected]


def test_held_and_repeated_notes_differ():
    """A piano-roll of velocities holds no onsets: sixteen notes looked like one (pypianoroll 12)."""
    for count in (1, 4, 16):
        length = 4 * BEAT // count
        rows = [(number * length, length, 60, 80, 0, False, 0) for number in range(count)]
        multitrack = Song(BEAT, table(NOTE, rows), parts=("x",)).to_pypianoroll(4)
        assert len(Song.from_pypianoroll(multitrack).notes) == count


@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_tempos_and_bars_of_arrays_are_written(shape):
    """Tempos and bars were not written (pypianoroll 13); the tempo may have two axes (pypianoroll 19, 20)."""
    plane = np.zeros((24, 128), np.uint8)
    plane[:, 60] = 64
    tempo = np.repeat([90.0, 150.0], 12).reshape(shape)
    downbeat = (np.arange(24) % 12 == 0).reshape(shape)
    tracks = [pypianoroll.StandardTrack("x", program=3, pianoroll=plane)]
    multitrack = pypianoroll.Multitrack(resolution=4, tempo=tempo, downbeat=downbeat, tracks=tracks)
    again = read_midi(song_bytes(Song.from_pypianoroll(multitrack)))
    assert again.time_signatures[["numerator", "denominator"]].tolist() == [(3, 4)]
    assert again.tempos["bpm"].tolist() == pytest.approx([90, 150])
    assert (again.tempos["tick"] * 4 // again.ticks_per_beat).tolist() == [0, 12]


def test_keys_and_chords_of_muspy():
    """Keys may be given by root, as muspy's readers do, and notes as chords."""
    keys = [
        muspy.KeySignature(0, root=3, mode="major"),
        muspy.KeySignature(4, root=1, mode="major", root_str="C#"),
        muspy.KeySignature(8, root=9, mode="minor"),
        muspy.KeySignature(12, fifths=-6),
        muspy.KeySignature(16, root=2, mode="dorian"),
        muspy.KeySignature(20),
    ]
    chord = muspy.Chord(0, [60, 64, 67], 4, velocity=90)
    track_ = muspy.Track(notes=[muspy.Note(4, 72, 4)], chords=[chord])
    song = Song.from_muspy(muspy.Music(resolution=4, key_signatures=keys, tracks=[track_]))
    assert song.key_signatures.tolist() == [(0, -3, False), (4, 7, False), (8, 0, True), (12, -6, False)]
    assert song.notes[["onset", "pitch", "velocity"]].tolist() == [(0, 60, 90), (0, 64, 90), (0, 67, 90), (4, 72, 64)]


def test_keys_read_by_muspy(tmp_path):
    """A MIDI file read by muspy has keys by root only: they were lost."""
    (tmp_path / "song.mid").write_bytes(song_bytes(a_song(key_signatures=table(KEY_SIGNATURE, [(0, -3, False)]))))
    song = Song.from_muspy(muspy.read_midi(tmp_path / "song.mid"))
    assert song.key_signatures.tolist() == [(0, -3, False)]


def test_more_than_fifteen_instruments():
    """Instruments beyond the fifteenth got the channel, and the controllers, of another (symusic 22)."""
    rows = [(0, BEAT, 40 + number, 80, number, False, number) for number in range(40)]
    controls = table(CONTROL, [(0, number, 7, number) for number in range(40)])
    song = Song(BEAT, table(NOTE, rows), parts=tuple(map(str, range(40))), controls=controls)
    for again in (Song.from_pretty_midi(song.to_pretty_midi()), read_midi(song_bytes(song), controls=True)):
        assert again.notes[["pitch", "program"]].tolist() == song.notes[["pitch", "program"]].tolist()
        assert sorted(again.controls["value"].tolist()) == list(range(40))
    assert [one.program for one in song.to_pretty_midi().instruments] == list(range(40))


def test_a_song_too_long_for_pretty_midi_is_refused():
    """A PrettyMIDI has a table of all ticks, at most ten million (pretty_midi 112, 263)."""
    song = Song(BEAT, table(NOTE, [(20_000_000, 1, 60, 64, 0, False, 0)]), parts=("",))
    with pytest.raises(UserError, match="too many for pretty_midi"):
        song.to_pretty_midi()


def test_controllers_play_no_note():
    """A track with controllers alone became an instrument, or its controllers were lost (pretty_midi 168)."""
    data = midi(track([(0, on(60)), (BEAT, off(60))]), track([(0, control(64, 127)), (BEAT, control(64, 0))]))
    instruments = read_midi(data, controls=True).to_pretty_midi().instruments
    assert [len(one.notes) for one in instruments] == [1]
    assert [event.value for event in instruments[0].control_changes] == [127, 0]
