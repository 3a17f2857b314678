"""Valid MIDI files: both readers agree with each other and with symusic."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import symusic
from hypothesis import given, settings
from hypothesis import strategies as st
from midi_maker import midi, number, off, on, track

from bgmusic.files import data_dir
from bgmusic.music.midi.events import careful_events
from bgmusic.music.midi.fast import fast_events
from bgmusic.music.midi.file import open_midi
from bgmusic.music.midi.read import MidiError, read_midi
from bgmusic.music.midi.song import BEND

FREEDOOM = sorted((data_dir() / "midi" / "freedoom").glob("*.mid"))


def rows(song):
    return [
        tuple(note) for note in song.notes[["onset", "duration", "pitch", "velocity", "program", "is_drum"]].tolist()
    ]


def by_symusic(path):
    return sorted(
        (n.time, max(n.duration, 1), n.pitch, n.velocity, 0 if t.is_drum else t.program, t.is_drum)
        for t in symusic.Score(path).tracks
        for n in t.notes
    )


@pytest.mark.parametrize("path", FREEDOOM, ids=lambda path: path.stem)
def test_real_songs_agree_with_symusic(path):
    song = read_midi(path)
    ours = sorted((*row[:4], 0 if row[5] else row[4], row[5]) for row in rows(song))
    assert ours == by_symusic(path)
    score = symusic.Score(path)
    assert song.ticks_per_beat == score.ticks_per_quarter
    assert {row[0]: row[1:] for row in song.time_signatures.tolist()} == {
        t.time: (t.numerator, t.denominator) for t in score.time_signatures
    }
    theirs = {t.time: t.qpm for t in score.tempos}
    for tick, bpm in song.tempos.tolist():
        assert bpm == pytest.approx(theirs[tick], rel=1e-6)


@pytest.mark.parametrize("path", FREEDOOM[::3], ids=lambda path: path.stem)
def test_fast_and_careful_reading_agree(path):
    file = open_midi(path.read_bytes())
    fast, careful = fast_events(file.data, file.tracks), careful_events(file.data, file.tracks)
    assert careful.damage == {}
    assert fast is not None or path.stem == "freedoom1_D_E2M2"
    if fast is None:
        return
    channel = fast.status < 0xF0
    for name in ("track", "tick", "status", "data1", "data2"):
        assert np.array_equal(getattr(fast, name)[channel], getattr(careful, name)), name
    assert (fast.metas, fast.ends) == (careful.metas, careful.ends)


def messages():
    """Generate channel and meta events of every kind, as bytes with their status."""
    data = st.integers(0, 127)
    two = st.builds(lambda s, a, b: bytes([s, a, b]), st.sampled_from([0x80, 0x91, 0x99, 0xB2, 0xEF, 0xA5]), data, data)
    one = st.builds(lambda s, a: bytes([s, a]), st.sampled_from([0xC0, 0xCF, 0xD3]), data)
    text = st.binary(max_size=100)
    meta = st.builds(lambda kind, c: b"\xff" + bytes([kind]) + number(len(c)) + c, st.sampled_from([1, 3, 0x7F]), text)
    tempo = st.binary(min_size=3, max_size=3).map(lambda c: b"\xff\x51\x03" + c)
    sysex = st.binary(max_size=20).map(lambda c: b"\xf0" + number(len(c) + 1) + c + b"\xf7")
    return st.one_of(two, one, two, one, meta, tempo, sysex)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.lists(st.tuples(st.one_of(st.integers(0, 300), st.integers(0, (1 << 28) - 1)), messages()), max_size=40),
        min_size=1,
        max_size=4,
    ),
    st.booleans(),
)
def test_fast_and_careful_reading_agree_on_any_valid_track(tracks, use_running_status):
    chunks = []
    for events in tracks:
        written, running = [], None
        for delta, content in events:
            repeats = use_running_status and content[0] == running
            running = content[0] if content[0] < 0xF0 else None
            written.append((delta, content[1:] if repeats else content))
        chunks.append(track(written))
    file = open_midi(midi(*chunks))
    careful = careful_events(file.data, file.tracks)
    assert careful.damage == {}
    expected = []
    for index, events in enumerate(tracks):
        tick = 0
        for delta, content in events:
            tick += delta
            if content[0] < 0xF0:
                expected.append((index, tick, *content, *[0] * (3 - len(content))))
    columns = ("track", "tick", "status", "data1", "data2")
    assert list(zip(*(getattr(careful, name).tolist() for name in columns), strict=True)) == expected
    fast = fast_events(file.data, file.tracks)
    if fast is not None:  # None: left to the careful reader
        channel = fast.status < 0xF0
        assert list(zip(*(getattr(fast, n)[channel].tolist() for n in columns), strict=True)) == expected
        assert (fast.metas, fast.ends) == (careful.metas, careful.ends)


def test_fast_reading_accepts_ordinary_tracks():
    events = [
        (0, b"\xff\x03\x05Piano"),
        (0, b"\xc0\x05"),
        (0, on(60)),
        (9000, b"\x3c\0"),
        (200, b"\xd0\x11"),
        (3, b"\x12"),
    ]
    file = open_midi(midi(track(events), track([(0, b"\xe0\0\x40"), (1 << 20, on(1)), (1, off(1))])))
    assert fast_events(file.data, file.tracks) is not None


def test_the_first_note_off_ends_the_first_note():
    events = [(0, on(60)), (10, on(60)), (10, off(60)), (10, off(60)), (0, on(60)), (5, on(60, velocity=0))]
    assert [row[:2] for row in rows(read_midi(midi(track(events))))] == [(0, 20), (10, 20), (30, 5)]


def test_percussion_programs_and_parts():
    drums = track([(0, b"\xff\x03\x05Drums"), (0, b"\xc9\x08"), (0, on(36, 9)), (9, off(36, 9))])
    lead = track(
        [
            (0, b"\xff\x03\x04Lead"),
            (0, b"\xc0\x50"),
            (0, on(60)),
            (9, off(60)),
            (0, b"\xc0\x51"),
            (0, on(62)),
            (9, off(62)),
        ]
    )
    bare = track([(0, on(64)), (9, off(64))])
    song = read_midi(midi(drums, lead, bare))
    assert [row[2:] for row in rows(song)] == [
        (36, 64, 8, True),
        (60, 64, 0x50, False),
        (64, 64, 0x50, False),  # its track sets no program: that of the channel applies
        (62, 64, 0x51, False),
    ]
    assert song.parts == ("Drums", "Lead", "")


def test_controllers_are_read_on_request():
    one = track(
        [
            *[(0, b"\xb1\x40\x7f"), (0, on(60, 1)), (10, b"\xe1\x01\x41"), (0, b"\xb4\x07\x20"), (10, b"\xc1\x05")],
            *[(10, off(60, 1)), (10, b"\xe1\x00\x00")],
        ]
    )
    other = track([(5, on(60)), (4, b"\xb0\x01\x03"), (21, off(60)), (0, b"\xa0\x3c\x40")])
    data = midi(one, other)
    # Left out: channel 5, which has no notes; aftertouch and programs. Part 1 is the second track.
    expected = [(0, 0, 64, 127), (9, 1, 1, 3), (10, 0, BEND, (0x41 << 7 | 1) - 8192), (40, 0, BEND, -8192)]
    assert read_midi(data, controls=True).controls.tolist() == expected
    assert not len(read_midi(data).controls)


def test_format_0_parts_are_channels():
    song = read_midi(
        midi(track([(0, b"\xff\x03\x01x"), (0, on(60, 2)), (0, on(62, 3)), (9, off(60, 2)), (0, off(62, 3))]), kind=0)
    )
    assert song.parts == ("x 3", "x 4")


def test_tempos_time_and_key_signatures():
    maps = [
        (0, b"\xff\x51\x03\x07\xa1\x20"),
        (0, b"\xff\x58\x04\x06\x03\x18\x08"),
        (0, b"\xff\x59\x02\xfd\x01"),
        (480, b"\xff\x51\x03\x0f\x42\x40"),
    ]
    song = read_midi(midi(track(maps), track([(0, on(60)), (960, off(60))])))
    assert song.tempos.tolist() == [(0, 120.0), (480, 60.0)]
    assert song.time_signatures.tolist() == [(0, 6, 8)]
    assert song.key_signatures.tolist() == [(0, -3, True)]
    assert song.bpm == 120.0


def test_smpte_time_is_counted_in_beats():
    # 25 frames of 40 ticks: 1000 ticks per second; at 60 beats per minute, a beat is a second.
    division = (256 - 25) << 8 | 40
    song = read_midi(midi(track([(0, b"\xff\x51\x03\x0f\x42\x40"), (1000, on(60)), (500, off(60))]), division=division))
    assert (song.ticks_per_beat, rows(song)[0][:2]) == (480, (480, 240))
    assert song.repairs == ("SMPTE time: beats are those of 60 a minute",)


def test_patterns_of_format_2_follow_one_another():
    pattern = track([(0, on(60)), (480 * 5, off(60))])
    song = read_midi(midi(pattern, pattern, kind=2))
    assert [row[0] for row in rows(song)] == [0, 480 * 8]


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("Клавиши".encode(), "Клавиши"),
        ("café".encode("latin-1"), "café"),
        ("ピアノ".encode("cp932"), "ピアノ"),
        (b"a\0b\x07", "ab"),
    ],
)
def test_names_in_any_encoding(raw, text):
    name = b"\xff\x03" + number(len(raw)) + raw
    song = read_midi(midi(track([(0, name), (0, on(60)), (9, off(60))])))
    assert (song.title, song.parts) == (text, (text,))


def test_from_a_path_gzipped_and_in_riff(tmp_path: Path):
    plain = FREEDOOM[0].read_bytes()
    expected = rows(read_midi(plain))
    zipped = tmp_path / "song.mid.gz"
    zipped.write_bytes(gzip.compress(plain))
    wrapped = b"RIFF" + (len(plain) + 12).to_bytes(4, "little") + b"RMIDdata" + len(plain).to_bytes(4, "little") + plain
    for source, repair in ((zipped, ("gzip'd",)), (wrapped, ("in a RIFF wrapper",))):
        song = read_midi(source)
        assert (rows(song), song.repairs) == (expected, repair)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"hello, world", "no MIDI header"),
        (b"MThd\0\0\0\6\0\1", "the header is cut off"),
        (midi(division=480), "no tracks"),
        (midi(track([(0, on(60)), (1, off(60))]), division=0), "0 ticks a beat"),
        (midi(track([])), "no notes"),
        (bytes((8 << 20) + 1), "more than 8 MiB"),
        (gzip.compress(bytes(64 << 20)), "more than 8 MiB"),
    ],
)
def test_files_without_music_give_a_reason(data, reason):
    with pytest.raises(MidiError, match=reason):
        read_midi(data)
