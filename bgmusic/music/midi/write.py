"""Write MIDI files of format 1: tempo and time signatures in the first track, then one track per part."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bgmusic.errors import UserError
from bgmusic.files import write_bytes
from bgmusic.music.midi import events
from bgmusic.music.midi.channels import Voice, controls_of, kit_changes, voices_of
from bgmusic.music.midi.encode import channel_chunk, meta, meta_chunk
from bgmusic.music.midi.ends import piece_end
from bgmusic.music.midi.rhythm import BANK, BANK_SELECTS, CHANNELS, DRUM_BANKS, PITCHED_BANKS
from bgmusic.music.midi.song import (
    BEND,
    COMMON_TIME,
    RESOLUTION,
    TIME_SIGNATURE,
    Song,
    Table,
    metre_of,
    require_valid_notes,
    table,
)

_SLOWEST = 60e6 / 0xFFFFFF  # beats per minute
_LAST_TICK = (1 << 31) - 1
_MAX_DIVISION = 0x7FFF
_MAX_FIFTHS = 7
_MAX_DATA = 127
_BENDS = (-8192, 8191)


def write_song(song: Song, path: str | Path) -> None:
    """Write a song to a MIDI file, atomically; see ``song_bytes``.

    Raises:
        UserError: the song does not fit into a MIDI file.
        OSError: the file cannot be written.

    """
    write_bytes(path, song_bytes(song))


def song_bytes(song: Song) -> bytes:
    """Return a song as the bytes of a MIDI file.

    The file has the song's ticks per beat, or their smallest multiple from 480 up, so no note moves. Every track ends
    on the bar line of the last bar (see ``ends.piece_end``), so that loops repeat in time. Parts share a channel only
    if their programs are equal; beyond 15 channels, further ports are used (see ``channels``). MIDI cannot express
    overlapping notes of one pitch in one part: on reading, the first end belongs to the first onset.

    Raises:
        UserError: the song is too long or has too many instruments, or a tempo, time or key signature, pitch, program,
            velocity, part or controller is out of range.

    """
    require_valid_notes(song)
    _require_valid_controls(song.controls)
    scale = -(-RESOLUTION // song.ticks_per_beat)
    division = song.ticks_per_beat * scale
    maps = sorted(_map_events(song), key=lambda event: event[0])
    last = [int(song.controls["tick"].max(initial=0)), *(tick for tick, _ in maps[-1:])]
    end = max(piece_end(song), *last)
    if end * scale > _LAST_TICK or division > _MAX_DIVISION:
        raise UserError(f"{end} ticks at {song.ticks_per_beat} per beat are too many for a MIDI file")
    # A title that names a part was read from the track of that part.
    has_title = song.title and song.title not in song.parts
    name = [(0, meta(events.TRACK_NAME, _encoded(song, song.title)))] if has_title else []
    chunks = [meta_chunk([*name, *((tick * scale, event) for tick, event in maps)], end * scale)]
    voices, kits = voices_of(song), kit_changes(song)
    for voice, controls in zip(voices, controls_of(song, voices), strict=True):
        chunks.append(_track(song, voice, controls, kits if voice.is_drum else [], scale, end))
    header = struct.pack(">4sIHHH", b"MThd", 6, 1, len(chunks), division)
    return b"".join([header, *chunks])


def _map_events(song: Song) -> Iterator[tuple[int, bytes]]:
    """Yield tick and bytes of the time signatures, key signatures and tempos."""
    for tick, numerator, denominator in bar_lines(song).tolist():
        if not (0 < numerator < 256 and 0 < denominator < 256 and denominator.bit_count() == 1):
            raise UserError(f"MIDI has no time signature {numerator}/{denominator}: the denominator is a power of two")
        yield tick, meta(events.TIME_SIGNATURE, bytes([numerator, denominator.bit_length() - 1, 24, 8]))
    for tick, fifths, minor in song.key_signatures.tolist():
        if abs(fifths) > _MAX_FIFTHS:
            raise UserError(f"a key of {fifths} sharps is out of MIDI's range, -{_MAX_FIFTHS} to {_MAX_FIFTHS}")
        yield tick, meta(events.KEY_SIGNATURE, bytes([fifths & 0xFF, minor]))
    for tick, tempo in song.tempos.tolist():
        if not _SLOWEST <= tempo <= 6e7:
            raise UserError(f"a tempo of {tempo:g} beats per minute is out of MIDI's range, {_SLOWEST:.4g} to 6e7")
        yield tick, meta(events.TEMPO, round(60e6 / tempo).to_bytes(3, "big"))


def _track(song: Song, voice: Voice, controls: Table, kits: list[tuple[int, int]], scale: int, end: int) -> bytes:
    """Return the track chunk of a voice; ``kits`` are the changes of drum kit on its channel, if there are any."""
    channel = voice.channel % CHANNELS
    notes = song.notes
    notes = notes[
        (notes["part"] == voice.part) & (notes["program"] == voice.program) & (notes["is_drum"] == voice.is_drum)
    ]
    # Without their message, these banks would turn a pitched part to drums, or drums to a pitched part.
    banks = PITCHED_BANKS if voice.is_drum else DRUM_BANKS
    controls = controls[(controls["number"] != BANK) | ~np.isin(controls["value"], list(banks))]
    bends = controls["number"] == BEND
    values = np.where(bends, controls["value"] - _BENDS[0], controls["value"])
    selects = controls[np.isin(controls["number"], BANK_SELECTS)]  # a bank takes effect at the next program change
    changes = np.array([tick for tick, program in kits[1:] if program == voice.program], np.int64)
    onset, stop = notes["onset"], notes["onset"] + np.maximum(notes["duration"], 1)
    off, on = np.full(len(notes), 0x80 | channel), np.full(len(notes), 0x90 | channel)
    # At one tick: ends of notes, controllers, programs, beginnings of notes.
    columns = [
        (stop, off, notes["pitch"], np.maximum(notes["velocity"], 1)),
        (
            controls["tick"],
            np.where(bends, 0xE0, 0xB0) | channel,
            np.where(bends, values & 0x7F, controls["number"]),
            np.where(bends, values >> 7, values),
        ),
        (selects["tick"], np.full(len(selects), 0xC0 | channel), np.full(len(selects), voice.program), selects["part"]),
        (changes, np.full(len(changes), 0xC0 | channel), np.full(len(changes), voice.program), np.zeros_like(changes)),
        (onset, on, notes["pitch"], np.maximum(notes["velocity"], 1)),
    ]
    ticks = np.concatenate([column[0] for column in columns]).astype(np.int64)
    order = np.argsort(ticks, kind="stable")
    messages = np.stack([np.concatenate([column[i] for column in columns]) for i in (1, 2, 3)], axis=1)
    head = [meta(events.PORT, bytes([voice.channel // CHANNELS]))] if voice.channel >= CHANNELS else []
    name = song.parts[voice.part] if voice.part < len(song.parts) else ""
    head.append(meta(events.TRACK_NAME, _encoded(song, name)))
    if not kits or kits[0][1] == voice.program:
        head.append(bytes([0xC0 | channel, voice.program]))
    return channel_chunk(head, ticks[order] * scale, messages[order].astype(np.uint8), end * scale)


def _encoded(song: Song, name: str) -> bytes:
    """Return the bytes of a name: those that it was read from, or UTF-8."""
    return song.raw_names.get(name) or name.encode("utf-8", "replace")


def _require_valid_controls(controls: Table) -> None:
    if not len(controls):
        return
    bends, values = controls["number"] == BEND, controls["value"]
    if (controls["tick"] < 0).any():
        raise UserError("a controller's tick is negative")
    if ((controls["number"] < BEND) | (controls["number"] > _MAX_DATA)).any():
        raise UserError(f"a controller's number is not within 0 to {_MAX_DATA}")
    low, high = np.where(bends, _BENDS[0], 0), np.where(bends, _BENDS[1], _MAX_DATA)
    if ((values < low) | (values > high)).any():
        raise UserError(f"a controller's value is not within 0 to {_MAX_DATA}, or a bend not within {_BENDS}")


def bar_lines(song: Song) -> Table:
    """Return the song's time signatures, with a short first bar for its pickup."""
    if not song.pickup:
        return song.time_signatures
    rows = song.time_signatures.tolist()
    before = [row for row in rows if row[0] <= song.pickup]
    metre = before[-1][1:] if before else COMMON_TIME
    first = metre_of(song.pickup, song.ticks_per_beat)
    if first is None:
        return song.time_signatures
    later = [row for row in rows if row[0] > song.pickup]
    return table(TIME_SIGNATURE, [(0, *first), (song.pickup, *metre), *later])
