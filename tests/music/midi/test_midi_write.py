"""Written MIDI files: every note keeps its program, names keep their bytes, and libraries read the same notes."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import mido
import numpy as np
import pretty_midi
import pytest
import symusic
from hypothesis import given, settings
from hypothesis import strategies as st
from midi_maker import midi, number, off, on, track

from bgmusic.errors import UserError
from bgmusic.music.midi.pedal import sounding_ends
from bgmusic.music.midi.read import read_midi
from bgmusic.music.midi.song import BEND, CONTROL, NOTE, TEMPO, TIME_SIGNATURE, Song, sort_notes, table
from bgmusic.music.midi.write import song_bytes
from bgmusic.music.rolls.interop.note_rows import notes_from_rows
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.tracks import TrackSet
from bgmusic.music.sound.controllers import level_factors

CASES = Path(__file__).parents[2] / "data" / "midi_cases"
COLUMNS = ["onset", "duration", "pitch", "velocity", "program", "is_drum"]


def played(data: bytes) -> list[tuple[int, int, int, bool]]:
    """Play a file as a synthesizer with ports does; return onset, pitch, program and drums of each note-on."""
    file = mido.MidiFile(file=io.BytesIO(data), charset="latin-1")
    events = []
    for index, one in enumerate(file.tracks):
        tick, port = 0, 0
        for message in one:
            tick += message.time
            if message.type == "midi_port":
                port = message.port
            elif not message.is_meta:
                events.append((tick, index, port, message))
    programs: dict[tuple[int, int], int] = {}
    result = []
    # Programs before notes: the order of messages of one tick in several tracks is undefined.
    for tick, _, port, message in sorted(events, key=lambda event: (event[0], event[3].type == "note_on", event[1])):
        channel = (port, message.channel)
        if message.type == "program_change":
            programs[channel] = message.program
        elif message.type == "note_on" and message.velocity:
            result.append((tick, message.note, programs[channel], message.channel == 9))
    return sorted(result)


def expected(song: Song, scale: int) -> list[tuple[int, int, int, bool]]:
    return sorted(
        (onset * scale, *rest) for onset, *rest in song.notes[["onset", "pitch", "program", "is_drum"]].tolist()
    )


def rows_of(song: Song, scale: int = 1) -> list[tuple]:
    return sorted((onset * scale, length * scale, *rest) for onset, length, *rest in song.notes[COLUMNS].tolist())


def eighteen() -> Song:
    track_set = TrackSet.load(CASES / "eighteen-tracks.yaml")
    rows = [(number, 4 * (number % 4), 4, 48 + number) for number in range(len(track_set))]
    return Roll.from_notes(notes_from_rows(rows), track_set, 4, 1, 16, "onset").to_song()


def test_eighteen_instruments_keep_their_programs() -> None:
    song = eighteen()
    data = song_bytes(song)
    assert played(data) == expected(song, 120)
    again = read_midi(data)
    assert rows_of(again) == rows_of(song, 120)
    assert set(again.parts) == set(song.parts)
    assert len(set(again.channels)) == 19
    files = [
        {
            (n.pitch, 0 if i.is_drum else i.program)
            for i in pretty_midi.PrettyMIDI(io.BytesIO(data)).instruments
            for n in i.notes
        },
        {(n.pitch, 0 if t.is_drum else t.program) for t in symusic.Score.from_midi(data).tracks for n in t.notes},
    ]
    assert files == [{(n["pitch"], n["program"]) for n in song.notes}] * 2


def test_parts_of_one_program_share_a_channel_before_a_second_port_is_used() -> None:
    rows = [(480 * part, 480, 60, 90, part // 2, False, part) for part in range(20)]
    song = Song(480, table(NOTE, rows), parts=tuple(map(str, range(20))))
    assert set(read_midi(song_bytes(song)).channels) == {*range(1, 10), 11}
    few = replace(song, notes=song.notes[:10], parts=song.parts[:10])
    assert len(set(read_midi(song_bytes(few)).channels)) == 10
    # With a controller, a part needs a channel of its own.
    held = replace(song, controls=table(CONTROL, [(0, 1, 64, 127)]))
    again = read_midi(song_bytes(held), controls=True)
    assert sounding_ends(again).tolist() == sounding_ends(held).tolist()


def test_drum_kits_are_on_channel_10_of_several_ports() -> None:
    rows = [(0, 480, 36 + kit, 90, 8 * kit, True, kit) for kit in range(3)]
    song = Song(480, table(NOTE, rows), parts=("a", "b", "c"))
    data = song_bytes(song)
    assert read_midi(data).channels == (10, 26, 42)
    assert played(data) == expected(song, 1)


@pytest.mark.parametrize("parts", [1, 2])
def test_drum_kits_that_follow_one_another_share_channel_10(parts: int) -> None:
    kits = [0, 0, 25, 25, 0, 8]
    rows = [(240 * i, 120, 36 + i, 90, kit, True, i % parts) for i, kit in enumerate(kits)]
    song = Song(
        480, sort_notes(table(NOTE, [*rows, (0, 480, 60, 90, 0, False, parts)])), parts=("a", "b", "c")[: parts + 1]
    )
    data = song_bytes(song)
    assert played(data) == expected(song, 1)
    events = [message for one in mido.MidiFile(file=io.BytesIO(data)).tracks for message in one]
    assert not any(message.type == "midi_port" for message in events)
    drums = read_midi(data).notes
    drums = drums[drums["is_drum"]]
    assert drums["program"].tolist() == kits
    banked = replace(song, controls=table(CONTROL, [(0, 0, 0, 1)]))  # a change of program would apply the bank
    assert played(song_bytes(banked)) == expected(banked, 1)


notes_of_songs = st.lists(
    st.tuples(st.integers(0, 20), st.integers(1, 6), st.integers(60, 72), st.integers(1, 127), st.integers(0, 24)),
    min_size=1,
    max_size=40,
)
controls_of_songs = st.lists(
    st.one_of(
        st.tuples(
            st.integers(0, 30), st.integers(0, 24), st.sampled_from([0, 7, 11, 32, 64, 121]), st.integers(0, 127)
        ),
        st.tuples(st.integers(0, 30), st.integers(0, 24), st.just(BEND), st.integers(-8192, 8191)),
    ),
    max_size=12,
)


sounds = st.lists(st.tuples(st.integers(0, 40), st.booleans()), min_size=25, max_size=25)
some_channels = st.one_of(st.just([]), st.lists(st.integers(1, 40), min_size=25, max_size=25))


@settings(deadline=None)
@given(notes_of_songs, controls_of_songs, sounds, some_channels, st.booleans())
def test_songs_survive_a_trip(notes: list, controls: list, sounds: list, channels: list[int], change: bool) -> None:
    """Notes are the same to a synthesizer, to symusic and to the reader; ``change``: parts change their programs."""
    # Notes of one pitch in one part do not overlap.
    unique = {(onset, pitch, part): (length, velocity) for onset, length, pitch, velocity, part in notes}
    rows = [
        (6 * onset, length, pitch, velocity, *sounds[(onset if change else part) % 25], part)
        for (onset, pitch, part), (length, velocity) in unique.items()
    ]
    # One value of a controller at a tick.
    controls = sorted({row[:3]: row for row in controls}.values(), key=lambda row: row[0])
    song = Song(
        480,
        sort_notes(table(NOTE, rows)),
        parts=tuple(f"part {part}" for part in range(25)),
        controls=table(CONTROL, controls),
        channels=tuple(channels),
        end=4000,
    )
    data = song_bytes(song)
    assert played(data) == expected(song, 1)
    again = read_midi(data, controls=True)
    assert rows_of(again) == rows_of(song)
    assert not again.repairs
    by_note = [
        {
            (
                int(note["onset"]),
                int(note["pitch"]),
                one.parts[note["part"]],
                int(note["program"]),
                bool(note["is_drum"]),
            ): rest
            for note, *rest in zip(one.notes, sounding_ends(one).tolist(), level_factors(one).tolist(), strict=True)
        }
        for one in (song, again)
    ]
    # Several programs of one channel are on channels of their own, where they do not end each other's notes.
    if not channels and not change:
        assert by_note[0] == by_note[1]
    # Libraries read the same.
    theirs = sorted(
        (n.time, n.duration, n.pitch, n.velocity, t.program if not t.is_drum else 0, t.is_drum)
        for t in symusic.Score.from_midi(data).tracks
        for n in t.notes
    )
    assert theirs == sorted((*row[:4], 0 if row[5] else row[4], row[5]) for row in rows_of(song))


@given(st.binary(max_size=300), st.binary(max_size=30))
def test_names_keep_their_bytes(part: bytes, title: bytes) -> None:
    def text(content: bytes) -> tuple[int, bytes]:
        return 0, b"\xff\x03" + number(len(content)) + content

    song = read_midi(midi(track([text(title)]), track([text(part), (0, on(60)), (480, off(60))])))
    data = song_bytes(song)
    names = [
        message.name.encode("latin-1")
        for one in mido.MidiFile(file=io.BytesIO(data), charset="latin-1").tracks
        for message in one
        if message.type == "track_name"
    ]
    if song.parts[0]:
        assert names[-1] == part
    if song.title and song.title != song.parts[0]:
        assert names[0] == title
    again = read_midi(data)
    assert again.parts == song.parts


@pytest.mark.parametrize("text", ["Клавиши", "ピアノ", "Fl\u00f6te", "🎹 keys", "a\u0301"])
def test_names_of_any_script_are_written(text: str) -> None:
    song = Song(480, table(NOTE, [(0, 480, 60, 90, 0, False, 0)]), parts=(text,), title=text + "!")
    again = read_midi(song_bytes(song))
    assert (again.parts, again.title) == ((text,), text + "!")


def test_gaps_of_more_than_28_bits() -> None:
    rows = [(0, 480, 60, 90, 0, False, 0), (700_000_000, 480, 62, 90, 0, False, 0)]
    song = Song(480, table(NOTE, rows), tempos=table(TEMPO, [(0, 120.0), (600_000_000, 90.0)]))
    again = read_midi(song_bytes(song))
    assert again.notes["onset"].tolist() == [0, 700_000_000]
    assert again.tempos["tick"].tolist() == [0, 600_000_000]
    assert not again.repairs


def test_banks_that_would_change_drums_are_not_written() -> None:
    rows = [(0, 480, 60, 90, 0, False, 0), (0, 480, 36, 90, 0, True, 1)]
    banks = table(CONTROL, [(0, 0, 0, 127), (0, 1, 0, 121), (10, 0, 0, 8)])
    song = Song(480, table(NOTE, rows), parts=("a", "b"), controls=banks)
    again = read_midi(song_bytes(song), controls=True)
    assert again.notes["is_drum"].tolist() == [False, True]
    assert again.controls.tolist() == [(10, 0, 0, 8)]


SONG = Song(480, table(NOTE, [(0, 480, 60, 90, 0, False, 0)]), parts=("",))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"controls": table(CONTROL, [(0, 0, 128, 0)])}, "number"),
        ({"controls": table(CONTROL, [(0, 0, 64, 128)])}, "value"),
        ({"controls": table(CONTROL, [(0, 0, BEND, 8192)])}, "value"),
        ({"controls": table(CONTROL, [(-1, 0, 64, 0)])}, "negative"),
        ({"time_signatures": table(TIME_SIGNATURE, [(0, 4, 3)])}, "4/3"),
        ({"time_signatures": table(TIME_SIGNATURE, [(0, 256, 4)])}, "256/4"),
        ({"tempos": table(TEMPO, [(0, 1.0)])}, "tempo"),
    ],
)
def test_values_that_no_file_can_hold(change: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        song_bytes(replace(SONG, **change))


def test_too_many_instruments() -> None:
    rows = [(0, 480, 60, 90, part % 128, False, part) for part in range(15 * 128 + 1)]
    controls = table(CONTROL, [(0, part, 64, 127) for part in range(len(rows))])
    with pytest.raises(UserError, match="too many"):
        song_bytes(Song(480, table(NOTE, rows), parts=("",) * len(rows), controls=controls))
    merged = read_midi(song_bytes(Song(480, table(NOTE, rows[:1000]), parts=("",) * 1000)))
    assert np.unique(merged.channels).size == 128


def test_channels_and_parts_must_agree() -> None:
    with pytest.raises(UserError, match="channels"):
        replace(SONG, channels=(1, 2))
    with pytest.raises(UserError, match="channels"):
        replace(SONG, channels=(0,))
