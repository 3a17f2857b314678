"""Apply MIDI controllers to notes: sustain pedal, channel volume and expression."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bgmusic.music.midi.song import Song, Table

_PEDAL, _VOLUME, _EXPRESSION = 64, 7, 11
_PEDAL_DOWN = 64  # lowest value of a pressed pedal
_DEFAULTS = {_VOLUME: 100, _EXPRESSION: 127}  # General MIDI: values before the first event


def sounding_ends(song: Song) -> NDArray[np.int64]:
    """Return the tick at which each note stops sounding, int64 ``(notes,)``.

    A note under a pressed sustain pedal sounds until the pedal is released or its key is struck again.
    """
    notes = song.notes
    ends: NDArray[np.int64] = notes["onset"] + notes["duration"]
    for part, rows in _rows_by_part(song, _PEDAL):
        indices = np.flatnonzero(notes["part"] == part)
        down = rows["value"] >= _PEDAL_DOWN
        # For each row the tick of the next release; a pedal may stay down to the end.
        released = np.append(np.where(down, _last_tick(song), rows["tick"]), _last_tick(song))
        released = np.minimum.accumulate(released[::-1])[::-1]
        # A pedal pressed at the tick of a note's end holds the note; one released at that tick does not.
        row = np.searchsorted(rows["tick"], ends[indices], side="left")
        held = np.flatnonzero((row > 0) & np.append(False, down)[row])
        until = np.minimum(released[row[held]], _next_strikes(notes[indices], _last_tick(song))[held])
        ends[indices[held]] = np.maximum(ends[indices[held]], until)
    return ends


def level_factors(song: Song) -> NDArray[np.float32]:
    """Return the amplitude factor of each note by its part's volume and expression at its onset, float32 ``(notes,)``.

    The factor is 1 at the defaults of General MIDI, and grows with the square of a controller's value (40 dB per
    factor of ten).
    """
    factors = np.ones(len(song.notes), np.float32)
    for number, default in _DEFAULTS.items():
        for part, rows in _rows_by_part(song, number):
            indices = np.flatnonzero(song.notes["part"] == part)
            row = np.searchsorted(rows["tick"], song.notes["onset"][indices], side="right")
            values = np.append(default, rows["value"])[row]
            factors[indices] *= np.square(values / default, dtype=np.float32)
    return factors


def _rows_by_part(song: Song, number: int) -> list[tuple[int, Table]]:
    """Return the parts with events of a controller, and their events by tick: the last one of each tick."""
    rows = song.controls[song.controls["number"] == number]
    result = []
    for part in np.unique(rows["part"]).tolist():
        of_part = rows[rows["part"] == part]
        result.append((part, of_part[np.append(of_part["tick"][1:] != of_part["tick"][:-1], True)]))
    return result


def _last_tick(song: Song) -> int:
    """Return the last tick of the piece or of its notes."""
    return max(song.end, int((song.notes["onset"] + song.notes["duration"]).max(initial=0)))


def _next_strikes(notes: Table, last: int) -> NDArray[np.int64]:
    """Return for each note of a part the onset of the next note of its pitch, or ``last``."""
    order = np.lexsort((notes["onset"], notes["pitch"]))
    pitch, onset = notes["pitch"][order], notes["onset"][order]
    following = np.full(len(notes), last, dtype=np.int64)
    same = np.flatnonzero(pitch[1:] == pitch[:-1])
    following[order[same]] = onset[same + 1]
    return following
