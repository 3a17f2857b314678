"""Notes in seconds: ticks through the map of tempos."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bgmusic.music.midi.song import DEFAULT_BPM, Song, Table
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.sound.controllers import levels, stops

Seconds = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Timed:
    """Notes (a song's rows), their onsets and ends in seconds, and the piece's end with what rests after them.

    ``level`` are factors of the notes' levels.
    """

    notes: Table
    onset: Seconds
    stop: Seconds
    end: float
    level: NDArray[np.float32]

    @property
    def last(self) -> float:
        """The end of the last note in seconds, 0 where there is none."""
        return float(self.stop.max(initial=0))


def timed(music: Song | Roll, bpm: float = DEFAULT_BPM) -> Timed:
    """The notes of a song, or of a roll at ``bpm`` quarter notes a minute, in seconds, as long as pedals hold them."""
    song = music.to_song(bpm) if isinstance(music, Roll) else music
    ticks = np.stack([song.notes["onset"], stops(song)])
    onset, stop = seconds_at(song, ticks)
    end = float(seconds_at(song, np.array([song.end]))[0])
    return Timed(song.notes, onset, stop, max(end, float(stop.max(initial=0))), levels(song))


def seconds_at(song: Song, ticks: NDArray[np.int64]) -> Seconds:
    """The times of ticks in seconds; 120 beats a minute hold where no tempo does."""
    changes = np.concatenate([[0], song.tempos["tick"]])
    beat = 60 / np.concatenate([[DEFAULT_BPM], song.tempos["bpm"]])  # seconds, from each change on
    begins = np.concatenate([[0], np.cumsum(np.diff(changes) * beat[:-1])]) / song.ticks_per_beat
    held = np.searchsorted(changes, ticks, side="right") - 1
    return np.asarray(begins[held] + (ticks - changes[held]) * beat[held] / song.ticks_per_beat)
