"""Convert songs to and from pretty_midi's ``PrettyMIDI``."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from bgmusic.errors import UserError
from bgmusic.music.midi.song import NOTE, TEMPO, TIME_SIGNATURE, Song, map_of, sort_notes, table, velocity_of
from bgmusic.music.midi.write import song_bytes

if TYPE_CHECKING:
    import pretty_midi


def to_pretty_midi(song: Song) -> pretty_midi.PrettyMIDI:
    """Convert a song to a ``PrettyMIDI``; times in seconds follow the song's tempos.

    Overlapping notes of one pitch in one part end together: pretty_midi reads the first note-off for both.
    """
    import pretty_midi

    # By way of a MIDI file: pretty_midi has no other way to set the resolution and the tempos.
    return pretty_midi.PrettyMIDI(io.BytesIO(song_bytes(song)))


def from_pretty_midi(midi: pretty_midi.PrettyMIDI) -> Song:
    """Convert a ``PrettyMIDI`` to a song with the same ticks.

    Raises:
        UserError: it has no notes.

    """
    rows = [
        (
            start := midi.time_to_tick(note.start),
            max(midi.time_to_tick(note.end) - start, 1),
            note.pitch,
            velocity_of(note.velocity),
            instrument.program,
            instrument.is_drum,
            part,
        )
        for part, instrument in enumerate(midi.instruments)
        for note in instrument.notes
    ]
    if not rows:
        raise UserError("no notes in the PrettyMIDI")
    times, bpms = midi.get_tempo_changes()
    return Song(
        ticks_per_beat=midi.resolution,
        notes=sort_notes(table(NOTE, rows)),
        tempos=map_of(TEMPO, [(midi.time_to_tick(t), bpm) for t, bpm in zip(times, bpms, strict=True)]),
        time_signatures=map_of(
            TIME_SIGNATURE,
            [(midi.time_to_tick(t.time), t.numerator, t.denominator) for t in midi.time_signature_changes],
        ),
        parts=tuple(_utf8(instrument.name) for instrument in midi.instruments),
        end=max(row[0] + row[1] for row in rows),
    )


def _utf8(name: str) -> str:
    """Decode a name again that pretty_midi read as Latin-1 although it was UTF-8."""
    try:
        return name.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return name
