"""Channels as MIDI has them: controllers, programs and rhythm parts, in whatever track their messages stand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from midi_maker import midi, number, off, on, track

from bgmusic.music.midi.pedal import sounding_ends
from bgmusic.music.midi.read import read_midi
from bgmusic.music.midi.rhythm import is_drum_name
from bgmusic.music.midi.song import BEND
from bgmusic.music.sound.controllers import level_factors

CASES = Path(__file__).parents[2] / "data" / "midi_cases"
GS_RESET = bytes.fromhex("f0 0a 41 10 42 12 40 00 7f 00 41 f7")
XG_ON = bytes.fromhex("f0 08 43 10 4c 00 00 7e 00 f7")
GM_ON = bytes.fromhex("f0 05 7e 7f 09 01 f7")


def name(text: str) -> bytes:
    content = text.encode()
    return b"\xff\x03" + number(len(content)) + content


def port(index: int) -> bytes:
    return bytes([0xFF, 0x21, 1, index])


def control(number: int, value: int, channel: int = 0) -> bytes:
    return bytes([0xB0 | channel, number, value])


def gs_rhythm(channel: int, mode: int = 1) -> bytes:
    """Return "use for rhythm part": GS numbers channel 10 as part 0, and channels 1 to 9 as parts 1 to 9."""
    part = 0 if channel == 9 else channel + 1 if channel < 9 else channel
    return bytes([0xF0, 10, 0x41, 0x10, 0x42, 0x12, 0x40, 0x10 | part, 0x15, mode, 0x10, 0xF7])


def xg_rhythm(channel: int, mode: int = 1) -> bytes:
    return bytes([0xF0, 8, 0x43, 0x10, 0x4C, 8, channel, 7, mode, 0xF7])


def drums_of(data: bytes) -> dict[tuple[int, int], bool]:
    """Return whether the notes of each onset and pitch are drums."""
    return {
        (onset, pitch): drum for onset, pitch, drum in read_midi(data).notes[["onset", "pitch", "is_drum"]].tolist()
    }


def notes(channel: int, pitch: int = 60, count: int = 2) -> list[tuple[int, bytes]]:
    """Return notes of a beat with a beat of rest after each."""
    return [
        (480 * (i > 0), on(pitch, channel)) if j == 0 else (480, off(pitch, channel))
        for i in range(count)
        for j in (0, 1)
    ]


def test_the_pedal_holds_its_channel_in_whatever_track_it_stands() -> None:
    songs = [read_midi(CASES / f"pedal-{where}-track.mid", controls=True) for where in ("own", "other", "left-hand")]
    ends = [
        sorted(
            zip(song.notes["pitch"].tolist(), song.notes["onset"].tolist(), sounding_ends(song).tolist(), strict=True)
        )
        for song in songs
    ]
    assert ends[0] == ends[1] == ends[2]
    assert {end for pitch, onset, end in ends[0] if (pitch, onset) != (48, 0)} == {3839}


def test_volume_in_the_conductors_track_applies_to_the_channel() -> None:
    assert level_factors(read_midi(CASES / "volume-other-track.mid", controls=True)).tolist() == pytest.approx(
        [0.01] * 8
    )


@pytest.mark.parametrize("case", ["gs", "xg", "named-channel-16"])
def test_rhythm_parts_besides_channel_10(case: str) -> None:
    song = read_midi(CASES / f"drums-{case}.mid")
    parts = {song.parts[part]: drum for part, drum in song.notes[["part", "is_drum"]].tolist()}
    assert parts == {"Drums": True, "Keys": False}
    remarks = [repair for repair in song.repairs if "drums by name" in repair]
    assert len(remarks) == (case == "named-channel-16")
    assert all("'Drums' on channel 16" in remark for remark in remarks)


events = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 3), st.sampled_from([7, 11, 64, 10, BEND]), st.integers(0, 127)),
    max_size=12,
)


@given(events, st.lists(st.integers(0, 3), min_size=12, max_size=12))
def test_controllers_apply_alike_from_every_track(rows: list[tuple[int, int, int, int]], places: list[int]) -> None:
    """Controllers spread over tracks with and without notes give what they give in one track."""
    # One message of a kind, tick and channel: the order of messages of one tick in several tracks is undefined.
    rows = sorted({row[:3]: row for row in rows}.values(), key=lambda row: row[0])

    def message(channel: int, kind: int, value: int) -> bytes:
        return bytes([0xE0 | channel, 0, value]) if kind == BEND else control(kind, value, channel)

    def song(scattered: bool) -> list:
        tracks: list[list[tuple[int, bytes]]] = [[], [], [], []]
        for channel in (0, 1, 2):  # channel 4 has controllers but no notes
            for step in range(4):
                tracks[channel] += [(10 * step, on(60 + step, channel)), (10 * step + 5, off(60 + step, channel))]
        for place, (tick, channel, kind, value) in zip(places, rows, strict=False):
            tracks[place if scattered else channel].append((tick, message(channel, kind, value)))
        chunks = []
        for timed in tracks:
            timed.sort(key=lambda event: event[0])
            deltas = np.diff([tick for tick, _ in timed], prepend=0).tolist()
            chunks.append(track([(delta, content) for delta, (_, content) in zip(deltas, timed, strict=True)]))
        read = read_midi(midi(*chunks), controls=True)
        channels = np.array(read.channels)
        controls = [(tick, int(channels[part]), *rest) for tick, part, *rest in read.controls.tolist()]
        return [sounding_ends(read).tolist(), level_factors(read).tolist(), sorted(controls)]

    assert song(scattered=True) == song(scattered=False)


@given(
    st.integers(0, 15).filter(lambda channel: channel != 9),
    st.sampled_from(["gs", "xg", "bank 127", "bank 126", "bank 120"]),
    st.booleans(),
    st.sampled_from([b"", GM_ON, XG_ON]),
)
def test_messages_turn_channels_to_drums_and_back(channel: int, kind: str, elsewhere: bool, start: bytes) -> None:
    def message(drums: bool) -> bytes:
        if kind == "gs":
            return gs_rhythm(channel, int(drums))
        if kind == "xg":
            return xg_rhythm(channel, int(drums))
        return control(0, int(kind[5:]) if drums else 0, channel)

    other = (channel + 1) % 9
    switches = [(0, start)] * bool(start) + [(0, message(True)), (480, message(False)), (480, message(True))]
    played = [(0, on(60, channel)), (240, off(60, channel)), (480, on(61, channel)), (240, off(61, channel))]
    played += [(240, on(62, channel)), (240, off(62, channel))]
    tracks = [track(notes(other, 70)), track(switches), track(played)] if elsewhere else []
    if not elsewhere:
        order = [*switches[:-2], *played[:2], (240, message(False)), (240, on(61, channel)), (240, off(61, channel))]
        tracks = [
            track(notes(other, 70)),
            track([*order, (0, message(True)), (240, on(62, channel)), (240, off(62, channel))]),
        ]
    drums = drums_of(midi(*tracks))
    assert drums == {(0, 60): True, (720, 61): False, (1200, 62): True, (0, 70): False, (960, 70): False}


def test_a_reset_restores_the_default() -> None:
    for reset in (GM_ON, GS_RESET, XG_ON):
        data = midi(track([(0, xg_rhythm(4)), (0, on(60, 4)), (100, off(60, 4)), (100, reset), *notes(4, 62, 1)]))
        assert drums_of(data) == {(0, 60): True, (200, 62): False}


def test_channel_10_turns_pitched_by_message_only() -> None:
    for message, drum in (
        (gs_rhythm(9, 0), False),
        (control(0, 121, 9), False),
        (control(0, 0, 9), True),
        (control(0, 8, 9), True),
        (GS_RESET, True),
    ):
        assert set(drums_of(midi(track([(0, message), *notes(9)]))).values()) == {drum}


def test_banks_of_gs_files_are_no_drums() -> None:
    # Bank 127 of the SC-55 are the pitched sounds of the MT-32.
    assert drums_of(midi(track([(0, GS_RESET), (0, control(0, 127, 3)), *notes(3, 60, 1)]))) == {(0, 60): False}
    assert drums_of(midi(track([(0, control(0, 127, 3)), *notes(3, 60, 1)]))) == {(0, 60): True}


def test_malformed_messages_change_nothing() -> None:
    for content in (b"\x41\x10\x42\x12\x40", b"\x41", b"", b"\x43\x10\x4c\x08\x7f\x07\x01", b"\x43\x10\x4c\x08\x04"):
        message = b"\xf0" + number(len(content) + 1) + content + b"\xf7"
        assert set(drums_of(midi(track([(0, message), *notes(4)]))).values()) == {False}


@pytest.mark.parametrize(
    ("text", "drums"),
    [
        *[("Drums", True), ("drum kit", True), ("DRUMS 2", True), ("Percussion", True), ("Schlagzeug", True)],
        *[("Batería", True), ("ドラムス", True), ("Latin perc.", True), ("Bass drum", True), ("drumset_1", True)],
        *[("Steel Drums", False), ("Drum & Bass", False), ("Drumstick", False), ("Conundrum", False)],
        *[("Percy", False), ("Piano", False), ("", False)],
    ],
)
def test_names_of_drums(text: str, drums: bool) -> None:
    assert is_drum_name(text) == drums
    song = read_midi(midi(track([(0, name(text)), *notes(3)])))
    assert set(song.notes["is_drum"].tolist()) == {drums}
    assert any("drums by name" in repair for repair in song.repairs) == drums


def test_a_name_does_not_override_a_program() -> None:
    piano = read_midi(midi(track([(0, name("Drums")), (0, b"\xc3\x00"), *notes(3)])))
    assert not piano.notes["is_drum"].any()
    assert any("named like drums" in repair and "channel 4" in repair for repair in piano.repairs)
    timpani = read_midi(midi(track([(0, name("Percussion")), *notes(3)]), track([(0, b"\xc3\x2f")])))
    assert not timpani.notes["is_drum"].any()
    assert timpani.repairs == ()


def test_programs_belong_to_the_channel() -> None:
    def programs(*tracks: list[tuple[int, bytes]]) -> list[tuple[int, int]]:
        return read_midi(midi(*map(track, tracks))).notes[["pitch", "program"]].tolist()

    # A track without notes sets the program of a channel for all tracks, also in the middle.
    conductor = [(0, b"\xc0\x05"), (500, b"\xc0\x06")]
    assert programs(conductor, notes(0, 60), notes(0, 62)) == [(60, 5), (62, 5), (60, 6), (62, 6)]
    # Instruments that share a channel keep their own programs, from their first one on.
    own = [(0, b"\xc0\x10"), *notes(0, 60)]
    late = [*notes(0, 62, 1), (100, b"\xc0\x20"), (380, on(62)), (100, off(62))]
    assert programs(own, late) == [(60, 16), (62, 16), (60, 16), (62, 32)]


def test_ports_separate_channels() -> None:
    first = [(0, b"\xc0\x05"), (0, control(64, 127)), *notes(0, 60)]
    second = [(0, port(1)), (0, b"\xc0\x06"), *notes(0, 62)]
    bare = [(0, port(1)), *notes(0, 64)]
    drums = [(0, port(1)), *notes(9, 36)]
    song = read_midi(midi(*map(track, (first, second, bare, drums))), controls=True)
    assert song.channels == (1, 17, 17, 26)
    assert dict(song.notes[["pitch", "program"]].tolist()) == {60: 5, 62: 6, 64: 6, 36: 0}
    assert song.notes["pitch"][song.notes["is_drum"]].tolist() == [36, 36]
    held = song.notes["pitch"][sounding_ends(song) > song.notes["onset"] + song.notes["duration"]]
    assert set(held.tolist()) == {60}
