"""Write rolls and songs to MIDI files."""

from __future__ import annotations

from pathlib import Path

from bgmusic.files import write_bytes
from bgmusic.music.midi.song import Song
from bgmusic.music.midi.write import song_bytes
from bgmusic.music.rolls.roll import Roll


def write_midi(music: Song | Roll, path: str | Path, bpm: float | None = None) -> None:
    """Write a song or a roll to a MIDI file, atomically.

    Args:
        music: the song or roll.
        path: the file.
        bpm: tempo of a roll, in beats per minute; by default its own. A song has its own.

    Raises:
        UserError: the piece is too long for MIDI, or the tempo out of range.
        OSError: the file cannot be written.

    """
    write_bytes(path, midi_bytes(music, bpm))


def midi_bytes(music: Song | Roll, bpm: float | None = None) -> bytes:
    """Return a song or a roll as the bytes of a MIDI file; see ``write_midi`` and ``midi.write.song_bytes``."""
    if not isinstance(music, (Song, Roll)):
        raise TypeError(f"a MIDI file is made from a Song or a Roll, not {type(music).__name__}")
    return song_bytes(music.to_song(bpm) if isinstance(music, Roll) else music)


def save_roll(path: str | Path, roll: Roll, bpm: float | None = None) -> None:
    """Write a roll to a MIDI file; see ``write_midi``."""
    write_midi(roll, path, bpm)
