"""Convert ticks to seconds through the tempo map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bgmusic.music.midi.pedal import sounding_ends
from bgmusic.music.midi.song import DEFAULT_BPM, Song, Table
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.sound.controllers import level_factors

Seconds = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TimedNotes:
    """The notes of a piece in seconds.

    Attributes:
        notes: the song's rows (dtype ``NOTE``).
        onset: seconds at which each note begins, ``(notes,)``.
        stop: seconds at which each note ends, held by pedals, ``(notes,)``.
        end: length of the piece in seconds, with the rest after the last note.
        level: amplitude factors of the notes, ``(notes,)``.

    """

    notes: Table
    onset: Seconds
    stop: Seconds
    end: float
    level: NDArray[np.float32]

    @property
    def last_stop(self) -> float:
        """The end of the last note in seconds; 0 without notes."""
        return float(self.stop.max(initial=0))


def timed_notes(music: Song | Roll, bpm: float | None = None) -> TimedNotes:
    """Return the notes of a song or a roll in seconds; ``bpm`` replaces the roll's own tempos."""
    song = music.to_song(bpm) if isinstance(music, Roll) else music
    ticks = np.stack([song.notes["onset"], sounding_ends(song)])
    onset, stop = seconds_at(song, ticks)
    end = float(seconds_at(song, np.array([song.end]))[0])
    return TimedNotes(song.notes, onset, stop, max(end, float(stop.max(initial=0))), level_factors(song))


def seconds_at(song: Song, ticks: NDArray[np.int64]) -> Seconds:
    """Convert ticks to seconds, in the shape of ``ticks``; the tempo is 120 before the first tempo event."""
    changes = np.concatenate([[0], song.tempos["tick"]])
    beat = 60 / np.concatenate([[DEFAULT_BPM], song.tempos["bpm"]])  # seconds per beat from each change on
    begins = np.concatenate([[0], np.cumsum(np.diff(changes) * beat[:-1])]) / song.ticks_per_beat
    row = np.searchsorted(changes, ticks, side="right") - 1
    return np.asarray(begins[row] + (ticks - changes[row]) * beat[row] / song.ticks_per_beat)
