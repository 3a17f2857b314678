"""Inputs like those of public bug reports about other libraries; docs/notes/reports.md lists the sources."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from midi_maker import control, key, meta, midi, off, on, program, tempo, time_signature, track

from bgmusic.music.midi.read import read_midi
from bgmusic.music.midi.song import DEFAULT_BPM
from bgmusic.music.midi.write import song_bytes
from bgmusic.music.rolls.grid import quantise
from bgmusic.music.rolls.tracks import TrackSet

LPD_5 = TrackSet.load("lpd-5")
BEAT = 480


def rows(song, *names):
    """Return the columns of the song's notes as tuples."""
    return song.notes[list(names)].tolist()


def again(song):
    """Write a song to a MIDI file, and read it with its controllers."""
    return read_midi(song_bytes(song), controls=True)


def a_note(pitch=60, channel=0, beats=1):
    return [(0, on(pitch, channel)), (beats * BEAT, off(pitch, channel))]


@pytest.mark.parametrize("off_first", [True, False])
def test_repeated_notes_in_either_order_of_events(off_first):
    """A note that begins where one of its pitch ends was lost (pretty_midi 7, 30)."""
    between = [(BEAT, off(60)), (0, on(60))] if off_first else [(BEAT, on(60)), (0, off(60))]
    song = read_midi(midi(track([(0, on(60)), *between, (BEAT, off(60))])))
    assert rows(song, "onset", "duration") == [(0, BEAT), (BEAT, BEAT)]
    assert rows(again(song), "onset", "duration") == [(0, BEAT), (BEAT, BEAT)]


def test_note_offs_given_twice_make_no_notes():
    """Repeated note-offs became notes of no length, and these became long notes when written (pretty_midi 131)."""
    events = [(0, on(69)), (192, on(69)), (0, off(69)), (96, off(69)), (48, off(69)), (48, off(69)), *a_note(69)]
    song = read_midi(midi(track(events)))
    assert rows(song, "onset", "duration") == [(0, 192), (192, 96), (384, BEAT)]
    assert rows(again(song), "onset", "duration") == [(0, 192), (192, 96), (384, BEAT)]


def test_notes_of_no_length_stay_short():
    """A note of no length lasted until the next note-off, or a beat (pretty_midi 161, music21 600)."""
    song = read_midi(midi(track([(0, on(60)), (0, off(60)), (BEAT, on(60)), (BEAT, off(60))])))
    assert rows(song, "onset", "duration") == [(0, 1), (BEAT, BEAT)]
    assert rows(again(song), "onset", "duration") == [(0, 1), (BEAT, BEAT)]


def test_overlapping_notes_of_one_pitch_keep_their_order():
    """The first note-off ended both notes (pretty_midi 163)."""
    song = read_midi(midi(track([(0, on(60)), (240, on(60)), (240, off(60)), (240, off(60))])))
    assert rows(song, "onset", "duration") == [(0, BEAT), (240, BEAT)]
    assert rows(again(song), "onset", "duration") == [(0, BEAT), (240, BEAT)]


def test_impossible_keys_and_denominators_are_left_out():
    """18 flats stopped the reader, and a denominator of 2^33 was believed (pretty_midi 165 and 88)."""
    song = read_midi(midi(track([(0, key(-18, 1)), (0, time_signature(2, 33)), *a_note(), (0, key(-3, 1))])))
    assert song.key_signatures.tolist() == [(BEAT, -3, True)]
    assert not len(song.time_signatures)
    assert len(song.repairs) == 1


def test_divisions_above_32767_are_ticks_per_beat():
    """55440 ticks per beat, read as a negative number, gave negative times (pretty_midi 173)."""
    song = read_midi(midi(track([(0, on(53)), (55440, off(53))]), division=55440))
    assert song.ticks_per_beat == 55440
    assert "55440 ticks" in song.repairs[0]
    assert quantise(song, LPD_5, 4).notes[["onset", "duration"]].tolist() == [(0, 4)]


def test_very_short_drum_hits_are_kept():
    """Hits of one tick or none were not found (pretty_midi 199 and pull request 179)."""
    events = [event for pitch in (36, 38, 42) for event in ((BEAT - 1, on(pitch, 9)), (1, off(pitch, 9)))]
    song = read_midi(midi(track([*events, (0, on(46, 9)), (0, off(46, 9))])))
    placed = quantise(song, LPD_5, 4).notes
    assert placed["pitch"].tolist() == [36, 38, 42, 46]
    assert placed["duration"].tolist() == [1] * 4


def test_tempos_of_any_track_count():
    """Tempos that are not in the first track were ignored (pretty_midi 209, Tone.js Midi 116)."""
    song = read_midi(midi(track([]), track([(0, tempo(60)), *a_note(), (0, tempo(120)), *a_note(62)])))
    assert song.tempos.tolist() == [(0, 60.0), (BEAT, 120.0)]


def test_delta_times_of_more_than_four_bytes():
    """An illegal delta time moved the rest of the piece to tick 10^17 (pretty_midi 263)."""
    body = (
        b"\0"
        + on(60)
        + b"\x83\x60"
        + off(60)
        + b"\xff" * 7
        + b"\x7f"
        + on(62)
        + b"\x83\x60"
        + off(62)
        + b"\0\xff\x2f\0"
    )
    song = read_midi(midi(b"MTrk" + struct.pack(">I", len(body)) + body))
    assert rows(song, "onset", "duration", "pitch") == [(0, BEAT, 60), (BEAT, BEAT, 62)]


def test_controllers_in_a_track_without_notes():
    """A pedal in a track of its own was left out (pretty_midi 168)."""
    pedal = track([(0, control(64, 127)), (2 * BEAT, control(64, 0))])
    song = read_midi(midi(track([]), track(a_note()), pedal), controls=True)
    assert song.controls[["tick", "number", "value"]].tolist() == [(0, 64, 127), (2 * BEAT, 64, 0)]
    assert again(song).controls[["tick", "number", "value"]].tolist() == [(0, 64, 127), (2 * BEAT, 64, 0)]


def test_a_tempo_for_one_tick_changes_nothing_else():
    """A tempo one tick long was displayed bars too early (pretty_midi 204)."""
    song = read_midi(midi(track([(0, tempo(61)), (8160, tempo(90)), (1, tempo(61)), *a_note()])))
    assert song.tempos["tick"].tolist() == [0, 8160, 8161]
    assert again(song).tempos.tolist() == song.tempos.tolist()
    assert song.bpm == pytest.approx(61, rel=1e-6)


def test_data_bytes_over_127_are_clipped():
    """One controller value of 255 made the file unreadable (mido 63, 391, 574)."""
    song = read_midi(midi(track([(0, bytes([0xB0, 7, 255])), *a_note()])), controls=True)
    assert rows(song, "onset", "duration") == [(0, BEAT)]
    assert song.controls[["number", "value"]].tolist() == [(7, 127)]


def test_system_exclusive_data_of_any_value():
    """A system-exclusive event with the byte 0xFF, as games write them, stopped the reader (mido 230)."""
    tap_on, tap_off = (bytes.fromhex(f"f0085053 0000 ff 04 {state} f7") for state in ("01", "00"))
    song = read_midi(midi(track([(0, on(60)), (10, tap_on), (BEAT - 10, off(60)), (0, tap_off), *a_note(62)])))
    assert rows(song, "onset", "duration") == [(0, BEAT), (BEAT, BEAT)]
    assert not song.repairs


@pytest.mark.parametrize("error", [-5, -1, 1, 7])
def test_tracks_with_a_wrong_length(error):
    """XMI2MID writes lengths that are too large (mido 480)."""
    first, second = track(a_note()), track(a_note(67))
    wrong = first[:4] + struct.pack(">I", len(first) - 8 + error) + first[8:]
    assert rows(read_midi(midi(wrong, second)), "pitch") == [(60,), (67,)]


@given(st.binary(min_size=1, max_size=9).filter(lambda junk: b"MT" not in junk and not junk.isalnum()))
def test_junk_between_tracks(junk):
    """One to three bytes between an end of track and the next header hid the next track (midifile 31)."""
    song = read_midi(midi(track(a_note()) + junk, track(a_note(67)), track(a_note(72))))
    assert rows(song, "pitch") == [(60,), (67,), (72,)]


def test_a_track_count_that_is_wrong():
    """The header announces more tracks than the file has (foo_midi 38, midifile 44)."""
    data = midi(track(a_note()), track(a_note(67)))
    song = read_midi(data[:10] + b"\0\5" + data[12:])
    assert rows(song, "pitch") == [(60,), (67,)]


def test_a_data_byte_with_a_running_status_after_other_events():
    """Text or system-exclusive events within a running status stopped the reader (music21 1574, gomidi 20)."""
    events = [
        (0, on(71)),
        (4, meta(1, b"%+")),
        (22, bytes([71, 0])),
        (0, on(72)),
        (4, b"\xf0\x02\x01\xf7"),
        (9, bytes([72, 0])),
    ]
    assert rows(read_midi(midi(track(events))), "onset", "duration", "pitch") == [(0, 26, 71), (26, 13, 72)]


def test_names_with_a_copyright_sign():
    """A name in Latin-1 stopped the reader (music21 606, 610)."""
    name = b"Copyright \xa9 2008 by Bernd Krueger"
    song = read_midi(midi(track([(0, meta(3, name)), *a_note()])))
    assert song.parts == ("Copyright © 2008 by Bernd Krueger",)
    assert again(song).parts == song.parts


def test_metres_in_halves_and_quarters():
    """The bars of a piece in 2/2, 7/4, 4/4 and 2/4 were misplaced (MidiTok 131)."""
    changes = [(0, time_signature(2, 1)), (1920, time_signature(7, 2)), (3360, time_signature(4, 2))]
    song = read_midi(midi(track([*changes, (1920, time_signature(2, 2))]), track(a_note(beats=17))))
    for one in (song, again(song)):
        piece = quantise(one, LPD_5, 4)
        assert piece.bar_starts.tolist() == [0, 16, 44, 60, 68]
        assert piece.metres.tolist() == [[2, 2], [7, 4], [4, 4], [2, 4]]


def test_a_first_metre_other_than_common_time():
    """The first bar was read as 4/4 (MidiTok 73)."""
    changes = [(0, time_signature(5, 3)), (1200, time_signature(8, 3)), (1920, time_signature(5, 3))]
    piece = quantise(read_midi(midi(track([*changes, *a_note(beats=1)]))), LPD_5, 4)
    assert piece.bar_starts.tolist()[:4] == [0, 10, 26, 36]
    assert piece.metres.tolist() == [[5, 8], [8, 8], [5, 8]]


def test_positions_in_bars_of_different_units():
    """With a bar in eighths, positions in bars of quarters were halved (MidiTok 146)."""
    changes = [(0, time_signature(4, 2)), (1920, time_signature(6, 3)), (1440, time_signature(4, 2))]
    notes = [event for _ in range(11) for event in a_note()]
    piece = quantise(read_midi(midi(track(changes), track(notes))), LPD_5, 4)
    assert piece.notes["onset"].tolist() == list(range(0, 44, 4))
    assert piece.bar_starts.tolist() == [0, 16, 28, 44]


def test_velocities_are_those_of_the_onset():
    """A note got the velocity that was set when it ended (muspy 24)."""
    events = [(0, on(60, 0, 20)), (240, on(64, 0, 120)), (240, b"\x80\x3c\x7f"), (240, b"\x80\x40\x03")]
    assert rows(read_midi(midi(track(events))), "pitch", "velocity") == [(60, 20), (64, 120)]


def test_rests_at_the_beginning_count():
    """The first notes were left out, and the piece moved to an estimated beat (pypianoroll 6)."""
    song = read_midi(midi(track([(0, time_signature(4, 2)), (960, on(60)), (BEAT, off(60)), *a_note(62)])))
    assert quantise(song, LPD_5, 4).notes["onset"].tolist() == [8, 12]


def test_time_signatures_given_twice_interrupt_nothing():
    """A piece with the same time signature twice counted as one with changes (magenta 208)."""
    signatures = [(0, time_signature(4, 2)), (0, time_signature(4, 2)), (1920, time_signature(4, 2))]
    song = read_midi(midi(track(signatures), track(a_note(beats=16))))
    assert quantise(song, LPD_5, 4).phrase_starts(4).tolist() == [0]


def test_a_first_tempo_after_the_beginning():
    """The tempo was dropped if the first did not stand at time 0 (magenta 512)."""
    song = read_midi(midi(track([(BEAT, tempo(240))]), track([*a_note(), *a_note(62)])))
    assert song.tempos.tolist() == [(BEAT, 240.0)]
    assert song.bpm == DEFAULT_BPM
    assert again(song).tempos.tolist() == song.tempos.tolist()


@pytest.mark.parametrize("tail", [tempo(90), b"\xff\x2f\0"])
def test_hours_after_the_last_note(tail):
    """Events or an end of track an hour after the last note made thousands of empty bars (magenta 512, midilib 30)."""
    song = read_midi(midi(track([(0, time_signature(4, 2)), (4410 * 1920, tail)]), track(a_note())))
    piece = quantise(song, LPD_5, 4)
    assert piece.bars < 100
    assert len(piece.notes) == 1


def test_short_notes_have_a_length_on_a_coarse_grid():
    """Thirty-second notes on a grid of sixteenths got no length (music21 530, pypianoroll)."""
    notes = [event for pitch in range(60, 68) for event in ((0, on(pitch)), (60, off(pitch)))]
    for resolution in (4, 8, 12):
        piece = quantise(read_midi(midi(track(notes))), LPD_5, resolution)
        assert piece.losses.kept == 8
        assert (piece.notes["duration"] >= 1).all()


def test_ticks_beyond_31_bits():
    """Times above 2^31 ticks became negative (symusic 37)."""
    pause = [(0x0FFFFFFF, control(64, 0))] * 20
    song = read_midi(midi(track([*a_note(), *pause, *a_note(62)])))
    assert (np.diff(song.notes["onset"]) > 1 << 32).all()
    assert quantise(song, LPD_5, 4).losses.beyond == 1


def test_program_changes_on_the_tick_of_a_note():
    """A program change on the tick of a note applied to the next note only (MidiEditor 4)."""
    song = read_midi(midi(track([(0, program(48)), *a_note(), (0, program(0)), *a_note(62)]), kind=0))
    assert rows(song, "onset", "program") == [(0, 48), (BEAT, 0)]
    assert rows(again(song), "onset", "program") == [(0, 48), (BEAT, 0)]
