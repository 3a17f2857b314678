"""Split a song into instruments of one program each, and read the notes of other libraries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bgmusic.errors import UserError
from bgmusic.music.midi.song import NOTE, Song, Table, sort_notes, table, velocity_of

PITCHES = 128


@dataclass(frozen=True, eq=False)
class SongInstrument:
    """The notes of one part and program.

    Attributes:
        part: index into the song's parts.
        name: name of the part.
        program: MIDI program, 0 to 127.
        is_drum: whether the notes are percussion.
        notes: dtype ``NOTE``, in the song's order.

    """

    part: int
    name: str
    program: int
    is_drum: bool
    notes: Table


def instruments_of(song: Song) -> list[SongInstrument]:
    """Return the instruments of a song, sorted by part, program, and pitched before drums."""
    instruments = []
    keys = song.notes[["part", "program", "is_drum"]]
    for part, program, is_drum in sorted(set(keys.tolist())):
        notes = song.notes[(keys["part"] == part) & (keys["program"] == program) & (keys["is_drum"] == is_drum)]
        name = song.parts[part] if part < len(song.parts) else ""
        instruments.append(SongInstrument(part, name, program, is_drum, notes))
    return instruments


def notes_from_library(rows: Iterable[tuple[int, int, int, int | None, int, bool, int]], source: str) -> Table:
    """Make a table of another library's notes.

    Args:
        rows: (onset, end, pitch, velocity, program, is_drum, part) of each note; onset and end in ticks. Notes that end
            before they begin get one tick; velocities are clamped to 1 to 127, and 100 if None.
        source: what the notes are from, for error messages.

    Returns:
        The notes, dtype ``NOTE``, sorted by onset, part and pitch.

    Raises:
        UserError: there are no notes, a note begins before tick 0, or a pitch or program is not within 0 to 127.

    """
    given = list(rows)
    if not given:
        raise UserError(f"no notes in the {source}")
    if (first := min(row[0] for row in given)) < 0:
        raise UserError(f"{source}: a note begins before the piece, at {first} ticks")
    for _, _, pitch, _, program, _, part in given:
        if not 0 <= pitch < PITCHES or not 0 <= program < PITCHES:
            raise UserError(f"{source}, part {part + 1}: pitch {pitch} or program {program} is not within 0 to 127")
    notes = [
        (onset, max(end - onset, 1), pitch, velocity_of(velocity), program, is_drum, part)
        for onset, end, pitch, velocity, program, is_drum, part in given
    ]
    return sort_notes(table(NOTE, notes))
