"""Write MIDI files of format 1: tempo and time signatures in the first track, then one track per part."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bgmusic.errors import UserError
from bgmusic.files import write_bytes
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


def write_song(song: Song, path: str | Path) -> None:
    """Write a song to a MIDI file, atomically; see ``song_bytes``.

    Raises:
        UserError: the song does not fit into a MIDI file.
        OSError: the file cannot be written.

    """
    write_bytes(path, song_bytes(song))


def song_bytes(song: Song) -> bytes:
    """Return a song as the bytes of a MIDI file.

    The file has the song's ticks per beat, or their smallest multiple from 480 up, so no note moves. MIDI cannot
    express overlapping notes of one pitch in one part: on reading, the first end belongs to the first onset.

    Raises:
        UserError: the song is too long, or a tempo, pitch, program, velocity or part is out of range.

    """
    import symusic

    require_valid_notes(song)
    scale = -(-RESOLUTION // song.ticks_per_beat)
    end = int((song.notes["onset"] + song.notes["duration"]).max(initial=song.end))
    if end * scale > _LAST_TICK or song.ticks_per_beat * scale > _MAX_DIVISION:
        raise UserError(f"{end} ticks at {song.ticks_per_beat} per beat are too many for a MIDI file")
    score: Any = symusic.Score(song.ticks_per_beat * scale)
    for tick, tempo in song.tempos.tolist():
        if not _SLOWEST <= tempo <= 6e7:
            raise UserError(f"a tempo of {tempo:g} beats per minute is out of MIDI's range, {_SLOWEST:.4g} to 6e7")
        score.tempos.append(symusic.Tempo(tick * scale, tempo))
    for tick, numerator, denominator in bar_lines(song).tolist():
        score.time_signatures.append(symusic.TimeSignature(tick * scale, numerator, denominator))
    for tick, fifths, minor in song.key_signatures.tolist():
        score.key_signatures.append(symusic.KeySignature(tick * scale, fifths, int(minor)))
    # One track for each program of a part, so that every note keeps its program.
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
