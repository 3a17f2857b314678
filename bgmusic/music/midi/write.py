"""MIDI files out, format 1: tempo and time signature in the first track, one track for each part."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bgmusic.errors import UserError
from bgmusic.files import write_bytes
from bgmusic.music.midi.song import BEND, DEFAULT_BPM, TIME_SIGNATURE, Song, Table, metre_of, table
from bgmusic.music.rolls.grid import COMMON_TIME
from bgmusic.music.rolls.roll import Roll

RESOLUTION = 480  # ticks a beat of what is written, at least: a multiple of every common resolution
_SLOWEST = 60e6 / 0xFFFFFF  # beats a minute
_LAST_TICK = (1 << 31) - 1
_MAX_DIVISION = 0x7FFF


def write_midi(music: Song | Roll, path: str | Path, bpm: float = DEFAULT_BPM) -> None:
    """Write a song or a roll to ``path``, whole or not at all; ``bpm`` is the tempo of a roll.

    Ticks a beat are the song's own, or the smallest multiple of them from 480 on, so nothing moves. Notes
    of one pitch in one part that overlap can't be told apart in MIDI: their ends come back in the order of
    their onsets.

    Raises:
        UserError: the piece is too long for MIDI, or its tempo makes no sense.
        OSError: the file can't be written.

    """
    write_bytes(path, midi_bytes(music, bpm))


def midi_bytes(music: Song | Roll, bpm: float = DEFAULT_BPM) -> bytes:
    """The MIDI file of a song or a roll, as ``write_midi`` writes it.

    Raises:
        UserError: the piece is too long for MIDI, or its tempo makes no sense.

    """
    import symusic

    song = music.to_song(bpm) if isinstance(music, Roll) else music
    scale = -(-RESOLUTION // song.ticks_per_beat)
    end = int((song.notes["onset"] + song.notes["duration"]).max(initial=song.end))
    if end * scale > _LAST_TICK or song.ticks_per_beat * scale > _MAX_DIVISION:
        raise UserError(f"{end} ticks at {song.ticks_per_beat} a beat are too many for a MIDI file")
    score: Any = symusic.Score(song.ticks_per_beat * scale)
    for tick, tempo in song.tempos.tolist():
        if not _SLOWEST <= tempo <= 6e7:
            raise UserError(f"a tempo of {tempo:g} beats a minute can't be written: MIDI has {_SLOWEST:.4g} and more")
        score.tempos.append(symusic.Tempo(tick * scale, tempo))
    for tick, numerator, denominator in bar_lines(song).tolist():
        score.time_signatures.append(symusic.TimeSignature(tick * scale, numerator, denominator))
    for tick, fifths, minor in song.key_signatures.tolist():
        score.key_signatures.append(symusic.KeySignature(tick * scale, fifths, int(minor)))
    # A part that changes its program is written as one track for each: a note keeps its program.
    voice = (song.notes["part"].astype(np.int64) * 2 + song.notes["is_drum"]) * 128 + song.notes["program"]
    for one in np.unique(voice).tolist():
        part, program = one // 256, one % 128
        track: Any = symusic.Track(
            name=song.parts[part] if part < len(song.parts) else "",
            program=program,
            is_drum=bool(one // 128 % 2),
        )
        track.notes = _notes(song.notes[voice == one], scale)
        for tick, _, number, value in song.controls[song.controls["part"] == part].tolist():
            if number == BEND:
                track.pitch_bends.append(symusic.PitchBend(tick * scale, value))
            else:
                track.controls.append(symusic.ControlChange(tick * scale, number, value))
        score.tracks.append(track)
    return bytes(score.dumps_midi())


def _notes(notes: Table, scale: int) -> object:
    import symusic

    return symusic.Note.from_numpy(
        (notes["onset"] * scale).astype(np.int32),
        (np.maximum(notes["duration"], 1) * scale).astype(np.int32),
        notes["pitch"].astype(np.int8),
        np.maximum(notes["velocity"], 1).astype(np.int8),
        "tick",
    )


def bar_lines(song: Song) -> Table:
    """The song's time signatures, with a short first bar for its pickup."""
    if not song.pickup:
        return song.time_signatures
    rows = song.time_signatures.tolist()
    held = [row for row in rows if row[0] <= song.pickup]
    metre = held[-1][1:] if held else COMMON_TIME
    first = metre_of(song.pickup, song.ticks_per_beat)
    if first is None:
        return song.time_signatures
    later = [row for row in rows if row[0] > song.pickup]
    return table(TIME_SIGNATURE, [(0, *first), (song.pickup, *metre), *later])
