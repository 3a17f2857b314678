"""Convert songs to and from muspy's ``Music``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bgmusic.errors import UserError
from bgmusic.music.midi.song import (
    KEY_SIGNATURE,
    NOTE,
    TEMPO,
    TIME_SIGNATURE,
    Song,
    Table,
    map_of,
    sort_notes,
    table,
    velocity_of,
)
from bgmusic.music.midi.write import bar_lines

if TYPE_CHECKING:
    import muspy

PITCHES = 128


def to_muspy(song: Song) -> muspy.Music:
    """Convert a song to a muspy ``Music`` with one track for each part and program."""
    import muspy

    tracks = []
    for name, program, is_drum, notes in _voices(song):
        rows = notes[["onset", "pitch", "duration", "velocity"]].tolist()
        voice = [muspy.Note(*row) for row in rows]
        tracks.append(muspy.Track(program=program, is_drum=is_drum, name=name, notes=voice))
    return muspy.Music(
        metadata=muspy.Metadata(title=song.title or None),
        resolution=song.ticks_per_beat,
        tempos=[muspy.Tempo(tick, bpm) for tick, bpm in song.tempos.tolist()],
        time_signatures=[muspy.TimeSignature(*row) for row in bar_lines(song).tolist()],
        key_signatures=[
            muspy.KeySignature(tick, fifths=fifths, mode="minor" if minor else "major")
            for tick, fifths, minor in song.key_signatures.tolist()
        ],
        tracks=tracks,
    )


def from_muspy(music: muspy.Music) -> Song:
    """Convert a muspy ``Music``, such as a piece of one of its datasets, to a song.

    Raises:
        UserError: it has no notes, or a value is outside MIDI's range.

    """
    rows = [
        (
            note.time,
            max(note.duration, 1),
            note.pitch,
            velocity_of(note.velocity),
            track.program,
            track.is_drum,
            part,
        )
        for part, track in enumerate(music.tracks)
        for note in track.notes
    ]
    if not rows:
        raise UserError("no notes in the muspy Music")
    if min(row[0] for row in rows) < 0:
        raise UserError("a note begins before the piece: its time is negative")
    if not all(0 <= row[2] < PITCHES and 0 <= row[4] < PITCHES for row in rows):
        raise UserError("a pitch or a program is not within 0 to 127")
    keys = [
        (key.time, key.fifths, key.mode == "minor")
        for key in music.key_signatures
        if key.fifths is not None and abs(key.fifths) <= 7
    ]
    return Song(
        ticks_per_beat=music.resolution,
        notes=sort_notes(table(NOTE, rows)),
        tempos=map_of(TEMPO, [(t.time, t.qpm) for t in music.tempos if t.qpm > 0]),
        time_signatures=map_of(
            TIME_SIGNATURE,
            [(t.time, t.numerator, t.denominator) for t in music.time_signatures if t.numerator > 0 < t.denominator],
        ),
        key_signatures=map_of(KEY_SIGNATURE, keys),
        parts=tuple(track.name or "" for track in music.tracks),
        end=max(row[0] + row[1] for row in rows),
        title=(music.metadata.title or "") if music.metadata else "",
    )


def _voices(song: Song) -> list[tuple[str, int, bool, Table]]:
    """Return (name, program, is_drum, notes) of each part and program."""
    voices = []
    keys = song.notes[["part", "program", "is_drum"]]
    for part, program, is_drum in sorted(set(keys.tolist())):
        notes = song.notes[(keys["part"] == part) & (keys["program"] == program) & (keys["is_drum"] == is_drum)]
        voices.append((song.parts[part] if part < len(song.parts) else "", program, is_drum, notes))
    return voices
