"""A piece as sparse notes in ticks: what every reader gives and every writer takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

DEFAULT_BPM = 120.0
DEFAULT_VELOCITY = 100
COMMON_TIME = (4, 4)
RESOLUTION = 480  # least ticks per beat of files that are written: a multiple of every common resolution

# `onset` and `duration` are in ticks; `part` is an index into the song's parts.
NOTE = np.dtype(
    [
        ("onset", np.int64),
        ("duration", np.int64),
        ("pitch", np.uint8),
        ("velocity", np.uint8),
        ("program", np.uint8),
        ("is_drum", np.bool_),
        ("part", np.int32),
    ]
)
TEMPO = np.dtype([("tick", np.int64), ("bpm", np.float64)])  # quarter notes a minute
TIME_SIGNATURE = np.dtype([("tick", np.int64), ("numerator", np.int32), ("denominator", np.int32)])
KEY_SIGNATURE = np.dtype([("tick", np.int64), ("fifths", np.int8), ("minor", np.bool_)])  # -7 to 7 sharps

# A controller's number, or BEND; its value is 0 to 127, a bend's -8192 to 8191.
CONTROL = np.dtype([("tick", np.int64), ("part", np.int32), ("number", np.int16), ("value", np.int16)])
BEND = -1

BPM_RANGE = (1.0, 100_000.0)  # beyond them a tempo makes no sense

Table = NDArray[np.void]  # a structured array of one of the types above


def table(dtype: np.dtype[Any], rows: Sequence[tuple[Any, ...]] = ()) -> Table:
    """A structured array of ``rows``."""
    return np.array(list(rows), dtype=dtype)


@dataclass(frozen=True, eq=False)
class Song:
    """The notes of one piece, with its maps of tempo, time signature and key.

    A beat is a quarter note. ``notes`` is sorted by onset, then part, then pitch; durations are at least
    one tick. The maps are sorted by tick, with one row a tick; empty where the piece says nothing.
    ``pickup`` is the length in ticks of an incomplete first bar (0: none). ``end`` is the last tick at
    which anything happens. ``controls`` are the parts' controllers and pitch bends, sorted by tick, where a reader
    was asked for them. ``repairs`` says, one line each, what was wrong with the file and how it was
    mended.
    """

    ticks_per_beat: int
    notes: Table
    tempos: Table = field(default_factory=lambda: table(TEMPO))
    time_signatures: Table = field(default_factory=lambda: table(TIME_SIGNATURE))
    key_signatures: Table = field(default_factory=lambda: table(KEY_SIGNATURE))
    parts: tuple[str, ...] = ()
    pickup: int = 0
    end: int = 0
    title: str = ""
    repairs: tuple[str, ...] = ()
    controls: Table = field(default_factory=lambda: table(CONTROL))

    @property
    def bpm(self) -> float:
        """The tempo at the first note, in beats a minute: 120 where the piece says nothing sensible, as in MIDI."""
        if not len(self.tempos):
            return DEFAULT_BPM
        first = int(self.notes["onset"][0]) if len(self.notes) else 0
        row = int(np.searchsorted(self.tempos["tick"], first, side="right")) - 1
        bpm = float(self.tempos["bpm"][row]) if row >= 0 else DEFAULT_BPM
        return bpm if BPM_RANGE[0] <= bpm <= BPM_RANGE[1] else DEFAULT_BPM


def sort_notes(notes: Table) -> Table:
    """``notes`` sorted by onset, part and pitch; notes that are equal in these keep their order."""
    return notes[np.lexsort((notes["pitch"], notes["part"], notes["onset"]))]


def metre_of(length: int, ticks_per_beat: int) -> tuple[int, int] | None:
    """The metre (numerator, denominator) of a bar of ``length`` ticks, in quarters or the next shorter beats.

    None where it is no whole number of sixty-fourths, or too long for a time signature.
    """
    for denominator in (4, 8, 16, 32, 64):
        numerator, rest = divmod(length * denominator, 4 * ticks_per_beat)
        if not rest and 0 < numerator < 256:
            return numerator, denominator
    return None


def velocity_of(velocity: int | None) -> int:
    """A library's velocity as MIDI's, 1 to 127; 100 where there is none."""
    return DEFAULT_VELOCITY if velocity is None else min(max(int(velocity), 1), 127)


def map_of(dtype: np.dtype[Any], rows: Sequence[tuple[Any, ...]]) -> Table:
    """A map with one row a tick, the last given."""
    last = {row[0]: row for row in rows}
    return table(dtype, [last[tick] for tick in sorted(last)])
