"""MIDI files in and out."""

from __future__ import annotations

from pathlib import Path

from bgmusic.errors import UserError
from bgmusic.music.roll import Roll
from bgmusic.music.song import DEFAULT_BPM, Song


class MidiError(UserError):
    """Bytes that are no music, with the reason."""


def read_midi(source: bytes | str | Path) -> Song:
    """Read a MIDI file from bytes or a path (plain, gzip'd, or in a RIFF wrapper).

    Raises:
        MidiError: it is not music, and why.
        OSError: the file can't be read.
    """
    raise MidiError("reading is built in the next commit")


def write_midi(music: Song | Roll, path: str | Path, bpm: float = DEFAULT_BPM) -> None:
    """Write a song or a roll to ``path``, whole or not at all; ``bpm`` is the tempo of a roll.

    Raises:
        OSError: the file can't be written.
    """
    raise MidiError("writing is built in the next commit")
