"""What a part's controllers do to its notes: the pedal holds them, volume and expression set their level."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bgmusic.music.midi.song import Song, Table

_PEDAL, _VOLUME, _EXPRESSION = 64, 7, 11
_DOWN = 64  # from this value on the pedal is down
# General MIDI: until a controller is told, and what they do: 40 dB for each factor of ten.
_BEFORE = {_VOLUME: 100, _EXPRESSION: 127}


def stops(song: Song) -> NDArray[np.int64]:
    """The ticks at which notes end: under their part's pedal when that comes up, or their key is struck again."""
    notes = song.notes
    ends: NDArray[np.int64] = notes["onset"] + notes["duration"]
    for part, rows in _by_part(song, _PEDAL):
        mine = np.flatnonzero(notes["part"] == part)
        down = rows["value"] >= _DOWN
        # For each row the tick at which the pedal is up next; it may stay down to the end.
        lifted = np.append(np.where(down, _never(song), rows["tick"]), _never(song))
        lifted = np.minimum.accumulate(lifted[::-1])[::-1]
        # The pedal holds what is still held when it is pressed, or sounds on; one that comes up then holds nothing.
        row = np.searchsorted(rows["tick"], ends[mine], side="left")
        held = np.flatnonzero((row > 0) & np.append(False, down)[row])
        until = np.minimum(lifted[row[held]], _struck_again(notes[mine], _never(song))[held])
        ends[mine[held]] = np.maximum(ends[mine[held]], until)
    return ends


def levels(song: Song) -> NDArray[np.float32]:
    """Factors of notes' levels, by what their part's volume and expression are when they begin (1 by default)."""
    factors = np.ones(len(song.notes), np.float32)
    for number, before in _BEFORE.items():
        for part, rows in _by_part(song, number):
            mine = np.flatnonzero(song.notes["part"] == part)
            row = np.searchsorted(rows["tick"], song.notes["onset"][mine], side="right")
            values = np.append(before, rows["value"])[row]
            factors[mine] *= np.square(values / before, dtype=np.float32)
    return factors


def _by_part(song: Song, number: int) -> list[tuple[int, Table]]:
    """The parts that have a controller, and its rows by tick; of one tick the last counts."""
    rows = song.controls[song.controls["number"] == number]
    found = []
    for part in np.unique(rows["part"]).tolist():
        mine = rows[rows["part"] == part]
        found.append((part, mine[np.append(mine["tick"][1:] != mine["tick"][:-1], True)]))
    return found


def _never(song: Song) -> int:
    """The piece's end: what nothing ends lasts to there."""
    return max(song.end, int((song.notes["onset"] + song.notes["duration"]).max(initial=0)))


def _struck_again(notes: Table, never: int) -> NDArray[np.int64]:
    """When the key of each of a part's notes is struck again."""
    order = np.lexsort((notes["onset"], notes["pitch"]))
    pitch, onset = notes["pitch"][order], notes["onset"][order]
    again = np.full(len(notes), never, dtype=np.int64)
    same = np.flatnonzero(pitch[1:] == pitch[:-1])
    again[order[same]] = onset[same + 1]
    return again
