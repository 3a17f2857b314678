"""Damaged MIDI files: recover what is possible, report each repair, never crash or exhaust memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fuzz_midi import SETTINGS, disagrees, originals, outcome
from midi_maker import midi, mutants, off, on, track

from bgmusic.music.corpora.check import describe
from bgmusic.music.midi.read import MidiError, read_midi

ODD = Path(__file__).parents[2] / "data" / "midi_odd"
TUNE = [(0, on(60)), (480, off(60)), (0, on(62)), (480, off(62)), (0, on(64)), (480, off(64))]
NOTES = [(0, 480, 60), (480, 480, 62), (960, 480, 64)]


def notes(song):
    return [tuple(row) for row in song.notes[["onset", "duration", "pitch"]].tolist()]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"junk!" + midi(track(TUNE)), "5 bytes of junk before the header"),
        (midi(track(TUNE)) + b"junk", "junk at the end: 4 bytes"),
        (midi(track(TUNE)).replace(b"MThd", b"XThd"), "the header's name is damaged"),
        (midi(track(TUNE), kind=7), "format 7 read as 1"),
        (midi(track(TUNE))[:-4], "tracks without an end: 1"),
        (midi(track(TUNE)[:4] + b"\xff\xff\xff\xff" + track(TUNE)[8:]), "tracks of a wrong length: 1"),
        (midi(track(TUNE)[:4] + b"\0\0\0\x09" + track(TUNE)[8:]), "tracks of a wrong length: 1"),
        (midi(track([(0, b"\xb0\x07\xff"), *TUNE])), "data over 127: 1"),
        (midi(track([(0, b"\xf8"), *TUNE])), "system messages that belong in no file: 1"),
        (midi(track([(0, off(99)), *TUNE])), "note-offs for which no note sounds: 1"),
        (midi(track([(0, b"\xff\x51\x03\0\0\0"), *TUNE])), "make no sense: 1"),
        (midi(track([(0, b"\xff\x58\x04\0\x02\0\0"), *TUNE])), "make no sense: 1"),
        (midi(track([(0, b"\xff\x58\x04\x04\x28\0\0"), *TUNE])), "make no sense: 1"),
    ],
)
def test_notes_survive_damage_around_them(data, expected):
    song = read_midi(data)
    assert notes(song) == NOTES
    assert any(expected in repair for repair in song.repairs), song.repairs


def test_a_truncated_file_keeps_its_complete_notes():
    whole = midi(track(TUNE))
    kept = [len(read_midi(whole[:stop]).notes) for stop in range(26, len(whole))]
    assert kept == sorted(kept)
    assert (kept[0], kept[-1]) == (1, 3)


def test_notes_without_a_note_off():
    # The first ends at the next note-on of its pitch, the second with the piece.
    song = read_midi(midi(track([(0, on(60)), (100, on(60)), (100, on(62)), (900, off(62))])))
    assert notes(song) == [(0, 100, 60), (100, 1000, 60), (200, 900, 62)]
    assert song.repairs == ("notes that nothing ends: 2",)
    # A missing note-off does not shift the ends of later notes.
    lost = [(0, on(60)), (100, on(60)), (50, off(60)), (50, on(60)), (50, off(60))]
    assert notes(read_midi(midi(track(lost)))) == [(0, 100, 60), (100, 50, 60), (200, 50, 60)]


def test_a_last_note_without_a_note_off_lasts_a_beat():
    assert notes(read_midi(midi(track([(0, on(60))])))) == [(0, 480, 60)]


def test_a_note_of_length_zero_gets_one_tick():
    song = read_midi(midi(track([(0, on(60)), (0, off(60)), (9, on(61)), (9, off(61))])))
    assert notes(song) == [(0, 1, 60), (9, 9, 61)]
    assert song.repairs == ("notes of no length, given one tick: 1",)


def test_ticks_beyond_31_bits_stay_in_order():
    far = [((1 << 28) - 1, on(60))] * 20
    song = read_midi(midi(track([(0, on(50)), (480, off(50)), *far])))
    assert int(song.notes["onset"][-1]) == 480 + 20 * ((1 << 28) - 1)
    assert (np.diff(song.notes["onset"]) >= 0).all()


# All other odd files hold a piece.
NO_MUSIC = {"division_0.mid": "0 ticks a beat", "empty_file.mid": "empty", "no_notes.mid": "no notes"}
VALID = [
    "alien_chunk",
    "bomb_div1_tick9.9M",
    "div1_late_2^24",
    "division_32767",
    "late_20x2^28",
    "late_eot_2^28",
    "late_note_2^24",
    "late_tempo_2^28",
    "lyrics_badutf8",
    "name_latin1",
    "name_sjis",
    "one_note",
    "prog_midway",
    "same_track_overlap",
    "sysex_f7_cont",
    "tempo_max",
    "ts_mid_bar",
]


@pytest.mark.parametrize("path", sorted(ODD.iterdir()), ids=lambda path: path.stem)
def test_odd_files_give_a_song_or_a_reason(path):
    if path.name in NO_MUSIC:
        with pytest.raises(MidiError, match=NO_MUSIC[path.name]):
            read_midi(path)
        return
    song = read_midi(path)
    # Most of these files hold sixteen quarter notes.
    expected = {"bomb_div1_tick9.9M.mid": 2, "div1_late_2^24.mid": 2, "one_note.mid": 1, "same_track_overlap.mid": 3}
    assert len(song.notes) >= expected.get(path.name, 16)
    assert bool(song.repairs) == (path.stem not in VALID), song.repairs
    assert describe(song, SETTINGS)


def test_files_with_very_many_events_are_read():
    tempos = track([(1, b"\xff\x51\x03" + i.to_bytes(3, "big")) for i in range(1, 100_001)] + TUNE)
    metres = track([(1, b"\xff\x58\x04" + bytes([3 + i % 2, 2, 24, 8])) for i in range(10_000)] + TUNE)
    stacked = track([(0, on(60))] + [(0, b"\x3c\x40")] * 300_000)
    for chunk in (tempos, metres, stacked):
        assert describe(read_midi(midi(chunk)), SETTINGS)


@pytest.mark.parametrize(
    "chunk", [b"MTrk\0\0\0\0", b"MTrk\xff\0\0\0", b"MTrk\0\0\0\1x"], ids=["empty", "endless", "a byte"]
)
def test_files_with_very_many_empty_tracks_give_one_short_message(chunk):
    with pytest.raises(MidiError, match="no notes") as caught:
        read_midi(midi() + chunk * 100_000)
    assert len(str(caught.value)) < 300


@pytest.mark.slow
def test_mutated_files_give_a_song_or_a_reason():
    damaged = list(mutants(originals(), 200, seed=1))
    assert not any(disagrees(data) for data in damaged)
    results = [outcome(data) for data in damaged]
    read = sum(result == "read" for result in results)
    assert 100 < read < 200
